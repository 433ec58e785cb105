//go:build e2e

package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A secret of each name that the Secret, the credentials or the secrets directory has. A
// configuration that refers to another one does not pass.
func secrets(t *testing.T) map[string]string {
	t.Helper()
	key, err := exec.CommandContext(t.Context(), parts.gateway, "keys", "new").Output()
	if err != nil {
		t.Fatal(err)
	}
	return map[string]string{
		"session-key": string(key), "client-secret": "a-client-secret", "admin-token": "an-admin-token-of-32-characters-0",
		"redis-password": "a-redis-password", "store-url": "rediss://user:password@redis.example.com:6379/0",
	}
}

// mounted is where secrets lie: in a pod, in a container, under systemd.
var mounted = regexp.MustCompile(`/run/(secrets/cloakroom|secrets|credentials/cloakroom\.service)/`)

// accepts gives a configuration to the real binary.
func accepts(t *testing.T, config string) {
	t.Helper()
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, value := range secrets(t) {
		write(name, value)
	}
	write("config.yaml", mounted.ReplaceAllString(config, "./"))
	said := must(t, parts.gateway, "check", "--config", filepath.Join(dir, "config.yaml"))
	for line := range strings.Lines(string(said)) {
		// A cluster's own network is the operator's to judge.
		if strings.Contains(line, "(warning)") && !strings.Contains(line, "in the clear") {
			t.Errorf("a recipe should not weaken anything: %s", line)
		}
	}
}

func TestTheConfigurationsBesideTheRecipesAreAccepted(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"compose/config.yaml", "systemd/config.yaml"} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			config, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			accepts(t, string(config))
		})
	}
}
