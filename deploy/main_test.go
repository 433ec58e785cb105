//go:build e2e

package deploy

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// parts are the paths of what the tests need, made once for all of them.
var parts struct {
	gateway, helm, validate, compose, promql string
	definitions                              string // of custom resources: a directory
}

func TestMain(m *testing.M) {
	os.Exit(prepareAndRun(m))
}

func prepareAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "cloakroom-deploy-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Minute)
	defer cancel()
	if err := prepare(ctx, dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// prepare builds the gateway and the tools. The first time that takes minutes; then Go has
// the tools in its cache.
func prepare(ctx context.Context, dir string) (err error) {
	parts.gateway = filepath.Join(dir, "cloakroom")
	if _, err = golang(ctx, "build", "-o", parts.gateway, "../cmd/cloakroom"); err != nil {
		return err
	}
	parts.promql = filepath.Join(dir, "promql")
	if _, err = golang(ctx, "build", "-C", "../tools/promql", "-o", parts.promql, "."); err != nil {
		return err
	}
	for _, tool := range []struct {
		path         *string
		module, name string
	}{
		{&parts.helm, "helm", "helm"},
		{&parts.validate, "kubectl-validate", "kubectl-validate"},
		{&parts.compose, "compose", "cmd"},
	} {
		path, err := golang(ctx, "tool", "-modfile=../tools/"+tool.module+"/go.mod", "-n", tool.name)
		if err != nil {
			return err
		}
		*tool.path = strings.TrimSpace(string(path))
	}
	parts.definitions = filepath.Join(dir, "definitions")
	return define(ctx, parts.definitions)
}

// define fills a directory with the definitions of the custom resources that the chart
// writes, as the projects publish them in their Go modules.
func define(ctx context.Context, dir string) error {
	files := []string{"testdata/servicemonitor.yaml"}
	for module, file := range map[string]string{
		"github.com/envoyproxy/gateway": "charts/gateway-helm/crds/generated/gateway.envoyproxy.io_securitypolicies.yaml",
		"github.com/traefik/traefik/v3": "docs/content/reference/dynamic-configuration/kubernetes-crd-definition-v1.yml",
		"sigs.k8s.io/gateway-api":       "config/crd/standard/gateway.networking.k8s.io_httproutes.yaml",
	} {
		said, err := golang(ctx, "mod", "download", "-modfile=../tools/crds/go.mod", "-json", module)
		if err != nil {
			return err
		}
		var found struct{ Dir string }
		if err := json.Unmarshal(said, &found); err != nil {
			return fmt.Errorf("%s: %w", module, err)
		}
		files = append(files, filepath.Join(found.Dir, file))
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(file)), text, 0o600); err != nil {
			return err
		}
	}
	return nil
}

func golang(ctx context.Context, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go %s: %w", strings.Join(args, " "), err)
	}
	return out, nil
}

// must returns what a command prints; if it fails, so does the test.
func must(t *testing.T, path string, args ...string) []byte {
	t.Helper()
	said, err := exec.CommandContext(t.Context(), path, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", filepath.Base(path), args[0], err, said)
	}
	return said
}
