//go:build e2e

package e2e

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/devidp"
)

func TestASessionBehindAFrontProxy(t *testing.T) {
	t.Parallel()
	everyFrontProxy(t, func(t *testing.T, s *ingress) {
		s.provider.Adjust(func(k *devidp.Knobs) { k.AccessTokenSize = 16 << 10 }) // such as a provider's with many groups
		p := s.wants(http.StatusUnauthorized, "no_session")
		if !strings.Contains(p.body, `"code":"no_session"`) || p.header.Get("Cache-Control") != "no-store" {
			t.Errorf("the 401 is not the gateway's: %v\n%s", p.header, p.body)
		}
		ticket := s.signIn()
		if p := s.wants(http.StatusOK, ""); !strings.Contains(p.body, `"user":"user00"`) {
			t.Errorf("the app was told %s", p.body)
		}
		calls := s.upstream.got()
		if got := calls[len(calls)-1].authorization; !s.provider.Active(strings.TrimPrefix(got, "Bearer ")) {
			t.Errorf("the app got no access token that holds: %.20q", got)
		}
		s.sendBody()
		s.otherSites(ticket)
		s.socket(ticket)
		s.signOut()
	})
}

// sendBody sends more than any buffer on the way holds: it goes to the app, not to the
// gateway.
func (s *ingress) sendBody() {
	s.t.Helper()
	body := strings.Repeat("body ", 100_000)
	for _, chunked := range []bool{false, true} {
		req := s.browser.request(http.MethodPost, s.browser.parse(nil, s.url+"/api/orders"), "")
		req.Body, req.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
		if chunked {
			req.ContentLength = -1
		}
		req.Header.Set("Origin", s.url)
		req.Header.Set("Sec-Fetch-Site", "same-origin")
		if p := s.browser.exchange(req, true); p.status != http.StatusOK {
			s.t.Errorf("a body, chunked %t: %d %s", chunked, p.status, p.body)
		}
		calls := s.upstream.got()
		if last := calls[len(calls)-1]; !strings.Contains(last.raw, "body body") || strings.Count(last.raw, "body ") < 100_000 {
			s.t.Errorf("a body, chunked %t: the app got %d bytes of it", chunked, len(last.raw))
		}
	}
}

// otherSites is what a page elsewhere makes a browser send.
func (s *ingress) otherSites(ticket string) {
	s.t.Helper()
	before := len(s.upstream.got())
	for _, headers := range [][]string{
		{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors", "Sec-Fetch-Dest: image"},
		{"Origin: http://evil.example"},
	} {
		for _, line := range []string{"GET /api/orders HTTP/1.1", "POST /api/orders HTTP/1.1"} {
			res, _ := s.send(line, append(headers, "Cookie: cloakroom="+ticket, "Content-Length: 0")...)
			if res.StatusCode != http.StatusForbidden || res.Header.Get("Cloakroom-Error") != "csrf_failed" {
				s.t.Errorf("%s with %q: %d %s", line, headers, res.StatusCode, res.Header.Get("Cloakroom-Error"))
			}
		}
	}
	if n := len(s.upstream.got()) - before; n != 0 {
		s.t.Errorf("%d requests of another site reached the app", n)
	}
}

// socket opens a WebSocket, as a page of our own and as one of another site.
func (s *ingress) socket(ticket string) {
	s.t.Helper()
	handshake := []string{
		"Connection: keep-alive, Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==",
		"Cookie: cloakroom=" + ticket, "Sec-Fetch-Mode: websocket",
	}
	res, stream := s.send("GET /api/live HTTP/1.1", append(handshake, "Origin: "+s.url, "Sec-Fetch-Site: same-origin")...)
	frame := make([]byte, 7)
	if res.StatusCode != http.StatusSwitchingProtocols {
		s.t.Fatalf("a WebSocket got %d", res.StatusCode)
	}
	if _, err := io.ReadFull(stream, frame); err != nil || !bytes.HasSuffix(frame, []byte("hello")) {
		s.t.Errorf("the first frame is %q, %v", frame, err)
	}
	calls := s.upstream.got()
	if got := calls[len(calls)-1]; !strings.Contains(got.raw, "X-User: user00\r\n") || got.authorization == "" {
		s.t.Error("the app was not told whose WebSocket it is")
	}
	res, _ = s.send("GET /api/live HTTP/1.1", append(handshake, "Origin: http://evil.example", "Sec-Fetch-Site: cross-site")...)
	if res.StatusCode != http.StatusForbidden {
		s.t.Errorf("a WebSocket of another site got %d", res.StatusCode)
	}
}

func (s *ingress) signOut() {
	s.t.Helper()
	p := s.browser.fetch(http.MethodPost, "/bff/logout")
	var onward struct {
		RedirectURL string `json:"redirect_url"`
	}
	if err := json.Unmarshal([]byte(p.body), &onward); err != nil || p.status != http.StatusOK {
		s.t.Fatalf("the logout got %d, %v\n%s", p.status, err, p.body)
	}
	if landed := s.browser.visit(s.url + onward.RedirectURL); landed.status != http.StatusOK {
		s.t.Errorf("the logout landed at %s with %d", landed.url.Redacted(), landed.status)
	}
	if s.browser.ticket() != "" {
		s.t.Error("the logout leaves the ticket")
	}
	s.wants(http.StatusUnauthorized, "no_session")
}

// A hundred calls, twenty at each of five expiries.
func TestFiveExpiriesBehindAFrontProxyAreFiveRefreshes(t *testing.T) {
	t.Parallel()
	everyFrontProxy(t, func(t *testing.T, s *ingress) {
		const lifetime = 3 * time.Second
		s.tokensLast(lifetime)
		ticket := s.signIn()
		for range 5 {
			after(t, lifetime+100*time.Millisecond)
			var calls sync.WaitGroup
			for range 20 {
				calls.Go(func() { s.wants(http.StatusOK, "") })
			}
			calls.Wait()
		}
		got := s.provider.Stats()
		if got.Refreshes != 5 || got.Reuses != 0 || got.MaxPresentations != 1 || got.AuthorizeRequests != 1 {
			t.Errorf("the provider counts %+v", got)
		}
		if s.browser.ticket() != ticket {
			t.Error("a refresh changed the ticket")
		}
	})
}

func TestAnOutageBehindAFrontProxyIsA503(t *testing.T) {
	t.Parallel()
	everyFrontProxy(t, func(t *testing.T, s *ingress) {
		s.tokensLast(time.Second)
		s.signIn()
		after(t, 1100*time.Millisecond)
		s.provider.Adjust(func(k *devidp.Knobs) {
			k.ErrorNext = []devidp.CannedAnswer{{Status: http.StatusBadGateway, Body: "<h1>Bad Gateway</h1>", Times: -1}}
		})
		if p := s.wants(http.StatusServiceUnavailable, "idp_unavailable"); !waits(p.header.Get("Retry-After")) {
			t.Errorf("Retry-After is %q", p.header.Get("Retry-After"))
		}
		s.provider.Adjust(func(k *devidp.Knobs) { k.ErrorNext = nil })
		eventually(t, 15*time.Second, "the session goes on", func() bool {
			return s.browser.fetch(http.MethodGet, "/api/orders").status == http.StatusOK
		})

		s.provider.RevokeAll()
		after(t, 1100*time.Millisecond)
		s.wants(http.StatusUnauthorized, "session_expired")
		if s.browser.ticket() != "" {
			t.Error("the ticket of a session that is over stays")
		}

		s.gateway.kill()
		before := len(s.upstream.got())
		for _, path := range []string{"/api/orders", "/"} {
			if p := s.browser.fetch(http.MethodGet, path); p.status < 500 {
				t.Errorf("%s without a gateway: %d", path, p.status)
			}
		}
		if n := len(s.upstream.got()) - before; n != 0 {
			t.Errorf("%d requests reached the app unasked", n)
		}
	})
}
