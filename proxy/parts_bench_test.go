package proxy

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// signedInCall is a signed-in call as the server hands it over, and the gateway that it is for.
func signedInCall(tb testing.TB) (*front, *http.Request) {
	tb.Helper()
	f := open(tb, []Route{{Path: "/api/", Upstream: mustURL("http://127.0.0.1:9")}, {Path: "/", Files: tb.TempDir(), Access: Public}})
	_, ticket := f.signIn(tb, time.Hour)
	r := httptest.NewRequestWithContext(tb.Context(), http.MethodGet, "/api/orders/42?page=2", nil)
	r.Host = publicHost
	for name, v := range map[string]string{
		"Cookie": "theme=dark; " + f.cookie(ticket), "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty",
		"Accept": "application/json", "Accept-Language": "en", "User-Agent": "bench", "Referer": "https://" + publicHost + "/",
	} {
		r.Header.Set(name, v)
	}
	return f, r
}

// admit does what comes before a call is forwarded.
func (f *front) admit(tb testing.TB, x *exchange, r *http.Request) {
	x.client = f.clientOf(r)
	rt, err := f.find(x, r)
	if err == nil {
		err = f.authorise(x, r, rt)
	}
	if err != nil || x.token == "" {
		tb.Errorf("the call is not admitted: %v", err)
	}
}

func TestACallIsAdmittedWithoutAnAllocation(t *testing.T) {
	f, r := signedInCall(t)
	x := &exchange{}
	f.admit(t, x, r)
	if n := testing.AllocsPerRun(100, func() {
		*x = exchange{}
		f.admit(t, x, r)
	}); n > 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

// BenchmarkAdmit is all that a call pays for being checked: host, path, route, who sent it,
// ticket, session and token.
func BenchmarkAdmit(b *testing.B) {
	f, r := signedInCall(b)
	x := &exchange{}
	b.ReportAllocs()
	for b.Loop() {
		*x = exchange{}
		f.admit(b, x, r)
	}
}

// BenchmarkFind is the route of a call.
func BenchmarkFind(b *testing.B) {
	f, r := signedInCall(b)
	x := &exchange{}
	x.client = f.clientOf(r)
	b.ReportAllocs()
	for b.Loop() {
		if rt, err := f.find(x, r); rt == nil || err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkOpenTicket is the way from the Cookie header to the session.
func BenchmarkOpenTicket(b *testing.B) {
	f, r := signedInCall(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := f.openTicket(r); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkOutgoing makes the upstream's request of a client's.
func BenchmarkOutgoing(b *testing.B) {
	f, r := signedInCall(b)
	x := &exchange{}
	f.admit(b, x, r)
	x.target = "/api/orders/42"
	ctx := r.Context()
	b.ReportAllocs()
	for b.Loop() {
		x.route.outgoing(ctx, x, r)
	}
}
