//go:build e2e

package deploy

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

func TestTheComposeFileIsSound(t *testing.T) {
	t.Parallel()
	must(t, parts.compose, "compose/compose.yaml")
}

func TestTheUnitIsSoundAndHardened(t *testing.T) {
	t.Parallel()
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("systemd-analyze is missing: .ci/run packages installs it")
		}
		t.Skip("systemd-analyze is missing: install systemd")
	}
	unit, err := os.ReadFile("systemd/cloakroom.service")
	if err != nil {
		t.Fatal(err)
	}
	installed := []byte("/usr/local/bin/cloakroom")
	if !bytes.Contains(unit, installed) {
		t.Fatalf("the unit does not start %s", installed)
	}
	path := filepath.Join(t.TempDir(), "cloakroom.service")
	if err := os.WriteFile(path, bytes.ReplaceAll(unit, installed, []byte(parts.gateway)), 0o600); err != nil {
		t.Fatal(err)
	}
	socket, err := os.ReadFile("systemd/cloakroom.socket")
	if err != nil {
		t.Fatal(err)
	}
	beside := filepath.Join(filepath.Dir(path), "cloakroom.socket")
	if err := os.WriteFile(beside, socket, 0o600); err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(must(t, analyze, "verify", "--man=no", path, beside)) {
		if bytes.Contains(line, []byte(filepath.Dir(path))) { // a key that it does not know is no error to it
			t.Errorf("systemd-analyze verify: %s", line)
		}
	}
	// Of 10: a unit without any hardening has 9.6.
	must(t, analyze, "security", "--offline=true", "--threshold=15", path)
}
