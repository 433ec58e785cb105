//go:build e2e

package deploy

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// A manifest is one document of a file for Kubernetes, as far as the tests look into it.
type manifest struct {
	Kind     string                `yaml:"kind"`
	Metadata struct{ Name string } `yaml:"metadata"`
	Data     map[string]string     `yaml:"data"` // of a ConfigMap
	Spec     struct {
		Replicas int                                      `yaml:"replicas"`
		Strategy struct{ Type string }                    `yaml:"strategy"`
		Template struct{ Spec pod }                       `yaml:"template"`
		Ingress  []struct{ From, Ports []map[string]any } `yaml:"ingress"` // of a NetworkPolicy
		Routes   []struct {
			Match       string                  `yaml:"match"`
			Middlewares []struct{ Name string } `yaml:"middlewares"`
		} `yaml:"routes"` // of an IngressRoute
	} `yaml:"spec"`
}

type pod struct {
	EnableServiceLinks *bool `yaml:"enableServiceLinks"`
	Grace              int   `yaml:"terminationGracePeriodSeconds"`
	SecurityContext    struct {
		SeccompProfile struct{ Type string } `yaml:"seccompProfile"`
	} `yaml:"securityContext"`
	Containers []container `yaml:"containers"`
}

type container struct {
	Name            string   `yaml:"name"`
	Command         []string `yaml:"command"`
	SecurityContext struct {
		RunAsNonRoot bool                    `yaml:"runAsNonRoot"`
		RunAsUser    int                     `yaml:"runAsUser"`
		ReadOnly     bool                    `yaml:"readOnlyRootFilesystem"`
		Escalation   *bool                   `yaml:"allowPrivilegeEscalation"`
		Capabilities struct{ Drop []string } `yaml:"capabilities"`
	} `yaml:"securityContext"`
	Liveness  probe `yaml:"livenessProbe"`
	Readiness probe `yaml:"readinessProbe"`
	Lifecycle struct {
		PreStop struct{ Sleep struct{ Seconds int } } `yaml:"preStop"`
	} `yaml:"lifecycle"`
	Resources struct{ Limits struct{ Memory string } } `yaml:"resources"`
}

type probe struct {
	HTTPGet struct{ Path, Port string } `yaml:"httpGet"`
}

// parse reads all documents of a file.
func parse(t *testing.T, file []byte) (all []manifest) {
	t.Helper()
	for documents := yaml.NewDecoder(bytes.NewReader(file)); ; {
		var m manifest
		err := documents.Decode(&m)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		if m.Kind != "" {
			all = append(all, m)
		}
	}
}

// sound is what holds for every file of manifests: its schemas, how its containers are
// confined, and the configurations that are in it.
func sound(t *testing.T, file []byte) []manifest {
	t.Helper()
	valid(t, file)
	all := parse(t, file)
	for _, m := range all {
		for _, c := range m.Spec.Template.Spec.Containers {
			if c.Name == "cloakroom" || c.Name == "redis" {
				confined(t, m.Spec.Template.Spec, c)
			}
			if c.Name == "cloakroom" {
				served(t, m.Spec.Template.Spec, c)
			}
		}
		if config, ok := m.Data["config.yaml"]; ok {
			accepts(t, config)
		}
	}
	return all
}

// confined asks of a container what the image is built for.
func confined(t *testing.T, p pod, c container) {
	t.Helper()
	s := c.SecurityContext
	if !s.RunAsNonRoot || s.RunAsUser == 0 || !s.ReadOnly || s.Escalation == nil || *s.Escalation || !slices.Equal(s.Capabilities.Drop, []string{"ALL"}) {
		t.Errorf("%s is not confined: %+v", c.Name, s)
	}
	if p.SecurityContext.SeccompProfile.Type != "RuntimeDefault" {
		t.Errorf("%s may use every system call", c.Name)
	}
	if c.Resources.Limits.Memory == "" {
		t.Errorf("%s may take all memory of its node", c.Name)
	}
}

// served asks for what the gateway needs of its cluster: probes, time to drain, and no
// variables that look like its own.
func served(t *testing.T, p pod, c container) {
	t.Helper()
	if c.Liveness.HTTPGet.Path != "/healthz" || c.Readiness.HTTPGet.Path != "/readyz" || c.Liveness.HTTPGet.Port != "admin" || c.Readiness.HTTPGet.Port != "admin" {
		t.Errorf("the probes are %+v and %+v", c.Liveness, c.Readiness)
	}
	const drain = 60 // seconds: requests, and then refreshes
	if ahead := c.Lifecycle.PreStop.Sleep.Seconds; ahead == 0 || p.Grace < ahead+drain {
		t.Errorf("it has %d s to end, %d s of them before it is told: a drain may take %d s", p.Grace, ahead, drain)
	}
	if p.EnableServiceLinks == nil || *p.EnableServiceLinks {
		t.Error("a Service named cloakroom would put CLOAKROOM_… variables into the pod")
	}
}

// valid holds a file against the schemas of Kubernetes, of the ingresses and of the
// Prometheus operator. An unknown field is a mistake, too.
func valid(t *testing.T, file []byte) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "manifests.yaml")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	must(t, parts.validate, path, "--version", "1.30", "--local-crds", parts.definitions)
}

func TestThePlainManifestsAreSound(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("kubernetes/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no manifests", err)
	}
	for _, path := range files {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".yaml"), func(t *testing.T) {
			t.Parallel()
			file, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			sound(t, file)
		})
	}
}
