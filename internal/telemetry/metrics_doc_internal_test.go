package telemetry

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/cloakroom-bff/cloakroom/proxy"
	"github.com/cloakroom-bff/cloakroom/session"
)

var (
	described = regexp.MustCompile(`^Desc\{fqName: "([^"]+)".*constLabels: \{(.*)\}, variableLabels: \{(.*)\}\}$`)
	constant  = regexp.MustCompile(`(\w+)="`)
)

// Whoever adds a metric says in docs/metrics.md what it counts, and by which labels.
func TestEveryMetricIsInTheManual(t *testing.T) {
	manual, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	written := make(map[string]string) // name → labels
	for line := range strings.Lines(string(manual)) {
		cells := strings.Split(line, "|")
		if name := strings.Trim(cells[min(1, len(cells)-1)], " `"); len(cells) == 6 && strings.HasPrefix(name, "cloakroom_") {
			if !slices.Contains([]string{"counter", "gauge", "histogram"}, strings.TrimSpace(cells[2])) {
				t.Errorf("%s is no metric's kind: %s", cells[2], name)
			}
			written[name] = labels(strings.Split(strings.ReplaceAll(cells[3], "`", ""), ","))
		}
	}
	if made := everyMetric(t); !maps.Equal(made, written) {
		for name, by := range made {
			if in, ok := written[name]; !ok || in != by {
				t.Errorf("%s has the labels %q, and docs/metrics.md %q (%v)", name, by, in, ok)
			}
		}
		for name := range written {
			if _, ok := made[name]; !ok {
				t.Errorf("docs/metrics.md has %s, and the gateway has not", name)
			}
		}
	}
}

// everyMetric returns the labels of all metrics of our own.
func everyMetric(t *testing.T) map[string]string {
	t.Helper()
	m := NewMetrics("1.2.3")
	m.Sessions(func() session.Counts { return session.Counts{} })
	m.Revocations(func() (int, time.Time) { return 0, time.Time{} })
	m.Upstreams(func() []proxy.UpstreamState { return nil })
	all := make(chan *prometheus.Desc)
	go func() {
		defer close(all)
		m.registry.Describe(all)
	}()
	made := make(map[string]string)
	for desc := range all {
		parts := described.FindStringSubmatch(desc.String())
		if parts == nil {
			t.Fatalf("a description of another form: %s", desc)
		}
		name := parts[1]
		if strings.HasPrefix(name, "cloakroom_go_") || strings.HasPrefix(name, "cloakroom_process_") {
			continue
		}
		by := strings.Split(parts[3], ",")
		for _, own := range constant.FindAllStringSubmatch(parts[2], -1) {
			by = append(by, own[1])
		}
		made[name] = labels(by)
	}
	if len(made) < 30 {
		t.Fatalf("found %q", slices.Sorted(maps.Keys(made)))
	}
	return made
}

// labels writes a list of labels in one way.
func labels(all []string) string {
	for i := range all {
		all[i] = strings.TrimSpace(all[i])
	}
	slices.Sort(all)
	return strings.TrimLeft(strings.Join(all, " "), " ")
}
