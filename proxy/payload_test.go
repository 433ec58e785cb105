package proxy

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestABodyThatWasReadIsNotSentAgain(t *testing.T) {
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://orders/x", io.NopCloser(strings.NewReader("hello")))
	if err != nil {
		t.Fatal(err)
	}
	p := newPayload(req, nil)
	first := p.attempt(req, "one")
	_ = first.Body.Close() // as a transport does that found nobody
	if first.URL.Host != "one" || req.URL.Host != "orders" || !p.untouched() || p.repeats() {
		t.Error("a body that nobody has read cannot be sent")
	}
	if got, err := io.ReadAll(p.attempt(req, "two").Body); string(got) != "hello" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if p.untouched() {
		t.Error("a body that was read is offered again")
	}
}

// A connection that has served before may have been closed meanwhile, and Go's client takes
// this header for leave to send the request once more. That is the client's to do.
func TestAnIdempotencyKeyIsNoLeaveToSendTwice(t *testing.T) {
	up := api(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if r.URL.Path == "/cut" {
			panic(http.ErrAbortHandler)
		}
	})
	f := open(t, []Route{{Path: "/", Upstream: up.url}})
	_, ticket := f.signIn(t, time.Hour)
	post := func(path string) reply {
		return f.send(t, "POST", path, "Sec-Fetch-Site: same-origin", "Cookie: "+f.cookie(ticket), "Idempotency-Key: 1", "Content-Length: 5", "", "hello")
	}
	if res := post("/fine"); res.StatusCode != 200 {
		t.Fatal(res.Status)
	}
	mustFail(t, post("/cut"), UpstreamUnreachable)
	if up.hits() != 2 {
		t.Errorf("%d requests reached the upstream, want 2", up.hits())
	}
}
