package telemetry_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/telemetry"
	"github.com/cloakroom-bff/cloakroom/proxy"
)

// BenchmarkRequestMetrics is what every request costs to be counted.
func BenchmarkRequestMetrics(b *testing.B) {
	m := telemetry.NewMetrics("bench")
	b.ReportAllocs()
	took := 700 * time.Microsecond
	for b.Loop() {
		m.Request(proxy.Served{Route: "/api/", Method: http.MethodGet, Status: http.StatusOK, Took: took})
		took += time.Nanosecond
	}
}

func TestCountingARequestAllocatesNothing(t *testing.T) {
	m := telemetry.NewMetrics("bench")
	served := proxy.Served{Route: "/api/", Method: http.MethodGet, Status: http.StatusOK, Took: time.Millisecond}
	m.Request(served)
	if n := testing.AllocsPerRun(100, func() { m.Request(served) }); n > 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

func TestEveryRequestCountsInItsOwnSeries(t *testing.T) {
	m := telemetry.NewMetrics("1")
	var all sync.WaitGroup
	for i := range 64 {
		all.Go(func() {
			m.Request(proxy.Served{Route: fmt.Sprintf("/%d/", i%4), Method: []string{"GET", "BREW"}[i/4%2], Status: []int{200, 600}[i/8%2]})
		})
	}
	all.Wait()
	got := scrape(t, m)
	for _, route := range []string{"/0/", "/1/", "/2/", "/3/"} {
		for _, method := range []string{"GET", "other"} {
			for _, class := range []string{"2xx", "none"} {
				if want := fmt.Sprintf("cloakroom_requests_total{method=%q,route=%q,status=%q} 4\n", method, route, class); !strings.Contains(got, want) {
					t.Errorf("no %s", want)
				}
			}
		}
		if want := fmt.Sprintf("cloakroom_request_duration_seconds_count{route=%q} 16\n", route); !strings.Contains(got, want) {
			t.Errorf("no %s", want)
		}
	}
}
