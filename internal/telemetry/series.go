package telemetry

import (
	"maps"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// series finds what a request counts in without the look-up by label values, which every
// request would pay. There are few, since each label is bounded.
type series struct {
	requests *prometheus.CounterVec
	times    *prometheus.HistogramVec

	routes  atomic.Pointer[map[string]*routeSeries] // never changed: another map takes its place
	growing sync.Mutex                              // held by who puts it there
}

// routeSeries are the series of one route.
type routeSeries struct {
	route    string
	requests *prometheus.CounterVec
	times    prometheus.Observer
	counts   [len(methods)][len(classes)]atomic.Pointer[prometheus.Counter] // nil: nothing was counted yet
}

// methods are the values of the label, and keep a client's invention out of it.
var methods = [...]string{
	http.MethodGet, http.MethodPost, http.MethodHead, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions,
	"other",
}

// classes are those of a status: its first digit. The client of the first one left before an
// answer.
var classes = [...]string{"none", "1xx", "2xx", "3xx", "4xx", "5xx"}

// of returns the series of a route.
func (s *series) of(route string) *routeSeries {
	if known := s.routes.Load(); known != nil {
		if r := (*known)[route]; r != nil {
			return r
		}
	}
	return s.add(route)
}

func (s *series) add(route string) *routeSeries {
	s.growing.Lock()
	defer s.growing.Unlock()
	more := map[string]*routeSeries{}
	if known := s.routes.Load(); known != nil {
		if r := (*known)[route]; r != nil {
			return r // somebody was quicker
		}
		more = maps.Clone(*known)
	}
	r := &routeSeries{route: route, requests: s.requests, times: s.times.WithLabelValues(route)}
	more[route] = r
	s.routes.Store(&more)
	return r
}

// count returns the counter of a method and a status.
func (r *routeSeries) count(method string, status int) prometheus.Counter {
	m, c := methodIndex(method), classIndex(status)
	if known := r.counts[m][c].Load(); known != nil {
		return *known
	}
	made := r.requests.WithLabelValues(r.route, methods[m], classes[c]) // the same one, whoever asks
	r.counts[m][c].Store(&made)
	return made
}

func methodIndex(method string) int {
	const other = len(methods) - 1
	for i, name := range methods[:other] {
		if name == method {
			return i
		}
	}
	return other
}

func classIndex(status int) int {
	if c := status / 100; c > 0 && c < len(classes) {
		return c
	}
	return 0
}
