package proxy

import (
	"io"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

// successor makes a gateway with these routes in the place of g.
func (g *Gateway) successor(t *testing.T, routes []Route) *Gateway {
	t.Helper()
	cfg := g.cfg
	cfg.Routes, cfg.After = routes, g
	next, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return next
}

func TestAStreamOutlivesTheGatewayThatOpenedIt(t *testing.T) {
	up := api(t, echo)
	f := open(t, []Route{{Path: "/", Upstream: up.url}})
	s, ticket := f.signIn(t, time.Hour)
	_, otherTicket := f.signIn(t, time.Hour)
	ws, other := f.webSocket(t, ticket), f.webSocket(t, otherTicket)
	next := f.successor(t, nil)
	ping := "\x81\x04ping"
	ws.write(t, []byte(ping))
	if got := string(ws.read(t, len(ping))); got != ping {
		t.Error(got)
	}
	if err := s.End(t.Context(), session.LoggedOut); err != nil {
		t.Fatal(err)
	}
	if code := ws.readClose(t); code != 4401 {
		t.Errorf("after the session's end it was closed with %d", code)
	}
	if err := next.CloseStreams(t.Context()); err != nil {
		t.Fatal(err)
	}
	if code := other.readClose(t); code != 1001 {
		t.Errorf("at the shutdown of the new gateway it was closed with %d", code)
	}
}

func TestTheSameWayLeadsToAnUpstreamBeforeAndAfter(t *testing.T) {
	up, gone := api(t, nil), nobody(t)
	shared := Route{Path: "/", Upstream: up.url, Replicas: []*url.URL{gone}, Access: Public, Token: NoToken}
	dropped := Route{Path: "/old/", Upstream: gone, Access: Public, Token: NoToken}
	f := open(t, []Route{shared, dropped})
	for _, p := range f.ways.pools {
		p.servers[1].leaveOut(io.EOF)
	}
	fresh := dropped
	fresh.Path, fresh.Timeout = "/new/", time.Second
	next := f.successor(t, []Route{shared, fresh})
	if len(next.ways.pools) != 1 || len(next.ways.transports) != 1 {
		t.Errorf("%d pools and %d transports", len(next.ways.pools), len(next.ways.transports))
	}
	for key, p := range next.ways.pools {
		if f.ways.pools[key] != p || !p.servers[1].out.Load() {
			t.Error("what was known of the servers is lost")
		}
	}
	after := next.successor(t, []Route{dropped, fresh})
	for key, way := range after.ways.transports {
		if inherited := next.ways.transports[key] == way; inherited == (key.timeout != time.Second) {
			t.Errorf("transport %v: inherited %v", key, inherited)
		}
	}
	if next.ways.before != nil || next.cfg.After != nil {
		t.Error("all gateways that ever were stay in memory")
	}
}

func TestALoginIsSharedOverAChangeOfGateways(t *testing.T) {
	f := open(t, []Route{{Path: "/", Upstream: api(t, nil).url}})
	next := f.successor(t, []Route{{Path: "/", Upstream: api(t, nil).url, Methods: []string{http.MethodGet}}})
	if next.logins != f.logins {
		t.Error("a double click during a reload makes two logins")
	}
	if cap(next.logouts) != logoutsAtOnce || next.logouts != f.logouts {
		t.Error("the turnstile before the logouts is doubled")
	}
}
