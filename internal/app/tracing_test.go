package app

import (
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/cloakroom-bff/cloakroom/internal/devidp"
)

// receiver is an OpenTelemetry collector that keeps what it gets.
type receiver struct {
	*httptest.Server

	mu    sync.Mutex
	raw   strings.Builder // guarded by mu: the bytes as they came
	spans []*otlp.Span    // guarded by mu
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		var got collector.ExportTraceServiceRequest
		if err != nil || req.URL.Path != "/v1/traces" || proto.Unmarshal(body, &got) != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.raw.Write(body)
		for _, resource := range got.GetResourceSpans() {
			for _, scope := range resource.GetScopeSpans() {
				r.spans = append(r.spans, scope.GetSpans()...)
			}
		}
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	t.Cleanup(r.Close)
	return r
}

// named returns the spans of a name.
func (r *receiver) named(name string) (found []*otlp.Span) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.spans {
		if s.GetName() == name {
			found = append(found, s)
		}
	}
	return found
}

// trace returns the names of the spans of a trace, each with its parent's.
func (r *receiver) trace(id []byte) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	byID := make(map[string]string)
	for _, s := range r.spans {
		byID[string(s.GetSpanId())] = s.GetName()
	}
	var names []string
	for _, s := range r.spans {
		if string(s.GetTraceId()) == string(id) {
			names = append(names, byID[string(s.GetParentSpanId())]+" > "+s.GetName())
		}
	}
	slices.Sort(names)
	return names
}

func TestOneTraceShowsARefreshWithItsParts(t *testing.T) {
	to := newReceiver(t)
	upstream := make(chan string, 10) // the traceparent that it got
	h := newHouse(t, func(w http.ResponseWriter, r *http.Request) {
		upstream <- r.Header.Get("Traceparent")
		w.WriteHeader(http.StatusOK)
	}, "telemetry: {otlp_endpoint: "+to.URL+"}")
	c := browser(t)
	h.signIn(c)
	h.expire()
	hold := h.provider.Hold(devidp.TokenEndpoint)
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			if status, body := h.call(c, "/api/orders?q=a-query-that-is-nobodys-business"); status != http.StatusOK {
				t.Errorf("%d %s", status, body)
			}
		})
	}
	for poll := time.NewTicker(time.Millisecond); h.app.sessions.Counts().Waiting < 3; {
		<-poll.C
	}
	hold.Release()
	all.Wait()
	h.halt() // which sends the rest

	refreshes := to.named("refresh")
	if len(refreshes) != 1 {
		t.Fatalf("%d refreshes in the traces", len(refreshes))
	}
	refresh := refreshes[0]
	got := to.trace(refresh.GetTraceId())
	for _, want := range []string{
		" > GET /api/", "GET /api/ > session", "GET /api/ > token", "GET /api/ > refresh",
		"refresh > store replace", "refresh > provider token", "GET /api/ > upstream",
	} {
		if !slices.Contains(got, want) {
			t.Errorf("the refresh's trace has %q, and lacks %q", got, want)
		}
	}
	waits := to.named("token")
	for _, s := range waits {
		if len(s.GetLinks()) != 1 || string(s.GetLinks()[0].GetSpanId()) != string(refresh.GetSpanId()) {
			t.Error("a request waited, and its trace does not lead to the refresh")
		}
	}
	if len(waits) != 3 {
		t.Errorf("%d requests waited, want 3", len(waits))
	}
	traces := make([]string, 0, 3)
	for range 3 {
		traces = append(traces, strings.Split(<-upstream, "-")[1])
	}
	id := hex.EncodeToString(refresh.GetTraceId())
	if !slices.Contains(traces, id) {
		t.Errorf("the upstream heard of the traces %q, and not of %s", traces, id)
	}
	h.wantsLine(t, id, "msg", "request")
	h.wantsLine(t, id, "event", "refresh")
	for _, secret := range append(h.provider.Tokens(), "nobodys-business", h.ticket(c)) {
		if strings.Contains(to.raw.String(), secret) {
			t.Errorf("the traces hold %.12s…", secret)
		}
	}
}

// wantsLine fails the test unless the log has a line of this trace with that member.
func (h *house) wantsLine(t *testing.T, trace, member, value string) {
	t.Helper()
	for text := range strings.Lines(h.log.String()) {
		var line map[string]any
		if json.Unmarshal([]byte(text), &line) == nil && line["trace_id"] == trace && line[member] == value {
			return
		}
	}
	t.Errorf("no line of the log has trace_id %s and %s %s", trace, member, value)
}

// ticket is the browser's.
func (h *house) ticket(c *http.Client) string {
	h.t.Helper()
	at, err := url.Parse(h.origin)
	if err != nil {
		h.t.Fatal(err)
	}
	for _, cookie := range c.Jar.Cookies(at) {
		if cookie.Name == "cloakroom" {
			return cookie.Value
		}
	}
	h.t.Fatal("the browser has no ticket")
	return ""
}

// expire makes alice's access tokens run out.
func (h *house) expire() {
	h.t.Helper()
	found, err := h.app.sessions.OfSubject(h.t.Context(), h.provider.URL, "alice")
	if err != nil || len(found) != 1 {
		h.t.Fatalf("%d sessions, %v", len(found), err)
	}
	if err := found[0].Expire(h.t.Context()); err != nil {
		h.t.Fatal(err)
	}
}

func TestACollectorThatIsAwayCostsNoRequest(t *testing.T) {
	to := newReceiver(t)
	to.Close()
	h := newHouse(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }, "telemetry: {otlp_endpoint: "+to.URL+"}")
	c := browser(t)
	h.signIn(c)
	if status, body := h.call(c, "/api/orders"); status != http.StatusOK {
		t.Errorf("%d %s", status, body)
	}
	h.halt()
	if !strings.Contains(h.log.String(), "traces cannot be delivered") {
		t.Error("nobody is told")
	}
}
