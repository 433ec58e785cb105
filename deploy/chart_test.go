//go:build e2e

package deploy

import (
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const chart = "helm/cloakroom"

// A rendering is an example of the chart, with further values if there are any, as --set
// has them.
type rendering struct {
	example, set string
}

func (r rendering) String() string {
	return strings.TrimSpace(strings.TrimSuffix(r.example, ".yaml") + " " + strings.ReplaceAll(r.set, ",", " "))
}

func (r rendering) values() []string {
	return []string{"--values", filepath.Join(chart, "examples", r.example), "--set", r.set}
}

// render lints the chart and renders it.
func (r rendering) render(t *testing.T) []byte {
	t.Helper()
	must(t, parts.helm, append([]string{"lint", "--strict", chart}, r.values()...)...)
	return must(t, parts.helm, append([]string{"template", "shop", chart, "--namespace", "shop"}, r.values()...)...)
}

func TestTheChartIsSoundInEachMode(t *testing.T) {
	t.Parallel()
	for _, r := range []rendering{
		{"gateway.yaml", ""},
		{"gateway.yaml", "ingress.recipe=nginx"},
		{"gateway.yaml", "ingress.recipe=haproxy,store=external"},
		{"bolt.yaml", ""},
		{"bolt.yaml", "config.provider.client_auth=client_secret_post,config.session.cookie.persistent=false"},
		{"sidecar.yaml", ""},
		{"sidecar.yaml", "store=redis,networkPolicy.enabled=false"},
	} {
		t.Run(r.String(), func(t *testing.T) {
			t.Parallel()
			sound(t, r.render(t))
		})
	}
}

// With forward-auth, an ingress takes over what the gateway answers. A header that it does
// not list would reach the app as a client wrote it.
func TestTheChartTellsEachIngressWhichHeadersAreTheGateways(t *testing.T) {
	t.Parallel()
	for _, recipe := range []string{"nginx", "traefik", "haproxy", "envoy-gateway"} {
		t.Run(recipe, func(t *testing.T) {
			t.Parallel()
			file := rendering{"forward-auth-" + recipe + ".yaml", "config.routes[0].assertion.header=X-Who"}.render(t)
			sound(t, file)
			flat := strings.Join(strings.Fields(strings.NewReplacer(",", " ", "-", " ").Replace(string(file))), " ")
			if !strings.Contains(flat, "Authorization Cookie X Email X User X Who") {
				t.Errorf("not all headers are listed:\n%s", file)
			}
		})
	}
}

// Traefik would pass on any upgrade, and behind one to h2c nobody looks at requests any more.
func TestTraefikUpgradesToWebSocketsOnly(t *testing.T) {
	t.Parallel()
	routes := 0
	for _, m := range parse(t, rendering{"forward-auth-traefik.yaml", ""}.render(t)) {
		if m.Kind != "IngressRoute" {
			continue
		}
		for _, r := range m.Spec.Routes {
			routes++
			last := r.Middlewares[len(r.Middlewares)-1].Name
			if want := strings.Contains(r.Match, "Upgrade"); want != (last == "shop-cloakroom-upgrade") || !want != (last == "shop-cloakroom-no-upgrade") {
				t.Errorf("%s ends with %s", r.Match, last)
			}
			if r.Middlewares[0].Name != "shop-cloakroom-before" || r.Middlewares[1].Name != "shop-cloakroom" {
				t.Errorf("%s begins with %v", r.Match, r.Middlewares)
			}
		}
	}
	if routes == 0 {
		t.Error("no app has a route")
	}
}

func TestOnlyTheIngressReachesItsEntrance(t *testing.T) {
	t.Parallel()
	file := rendering{"forward-auth-traefik.yaml", ""}.render(t)
	all := parse(t, file)
	policy := named(t, all, "NetworkPolicy", "shop-cloakroom")
	for _, rule := range policy.Spec.Ingress {
		for _, port := range rule.Ports {
			if port["port"] == "forward-auth" && len(rule.From) == 0 {
				t.Error("everybody reaches the entrance, whose answers carry tokens")
			}
		}
	}
	for _, m := range all {
		if m.Kind == "Ingress" && strings.Contains(m.Metadata.Name, "forward-auth") {
			t.Errorf("the ingress %s leads to the entrance", m.Metadata.Name)
		}
	}
}

func TestAStoreFileHasOneOwner(t *testing.T) {
	t.Parallel()
	all := parse(t, rendering{"bolt.yaml", ""}.render(t))
	if d := named(t, all, "Deployment", "shop-cloakroom"); d.Spec.Replicas != 1 || d.Spec.Strategy.Type != "Recreate" {
		t.Errorf("%d replicas, strategy %q: a second process cannot open the file", d.Spec.Replicas, d.Spec.Strategy.Type)
	}
	named(t, all, "PersistentVolumeClaim", "shop-cloakroom")
}

func TestTheChartRefusesWhatCannotWork(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		rendering
		says string
	}{
		{rendering{"bolt.yaml", "replicas=2"}, "write replicas: 1"},
		{rendering{"bolt.yaml", "config.public_url="}, "config.public_url is missing"},
		{rendering{"bolt.yaml", "mode=proxy"}, "mode"},
		{rendering{"bolt.yaml", "replica=1"}, "replica"},
		{rendering{"bolt.yaml", "mode=sidecar"}, "write sidecar.containers"},
		{rendering{"sidecar.yaml", "ingress.gateway.name="}, "write the Gateway to attach to"},
		{rendering{"forward-auth-nginx.yaml", "config.trusted_proxies=null"}, "write the networks of the ingress's pods"},
		{rendering{"forward-auth-nginx.yaml", "networkPolicy.forwardAuthFrom=null"}, "how to recognise the ingress's pods"},
		{rendering{"forward-auth-nginx.yaml", "ingress.apps=null"}, "what stands behind the ingress"},
		{rendering{"forward-auth-nginx.yaml", "mode=gateway"}, "ingress.apps is for mode forward-auth"},
	} {
		t.Run(row.String(), func(t *testing.T) {
			t.Parallel()
			said, err := exec.CommandContext(t.Context(), parts.helm, append([]string{"template", "shop", chart}, row.values()...)...).CombinedOutput()
			if err == nil || !strings.Contains(string(said), row.says) {
				t.Errorf("want an error with %q, got %v\n%s", row.says, err, said)
			}
		})
	}
}

// named finds one manifest.
func named(t *testing.T, all []manifest, kind, name string) manifest {
	t.Helper()
	i := slices.IndexFunc(all, func(m manifest) bool { return m.Kind == kind && m.Metadata.Name == name })
	if i < 0 {
		t.Fatalf("there is no %s %s", kind, name)
	}
	return all[i]
}
