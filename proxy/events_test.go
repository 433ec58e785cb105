package proxy

import (
	"bufio"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

// listener reads an event stream.
type listener struct {
	res   reply
	lines *bufio.Scanner
}

func (f *front) listen(t *testing.T, ticket string) *listener {
	t.Helper()
	res := f.get(t, "/bff/events", "Sec-Fetch-Site: same-origin", "Accept: text/event-stream", "Cookie: "+f.cookie(ticket))
	if res.StatusCode != http.StatusOK {
		t.Fatal(res.Status)
	}
	l := &listener{res, bufio.NewScanner(res.Body)}
	l.next(t) // the retry; who has read it hears all that comes
	return l
}

// next returns the lines of the next event without its comments, "" at the end.
func (l *listener) next(t *testing.T) string {
	t.Helper()
	var event []string
	for l.lines.Scan() {
		switch line := l.lines.Text(); {
		case line == "" && event != nil:
			return strings.Join(event, "\n")
		case line != "" && line[0] != ':':
			event = append(event, line)
		}
	}
	if err := l.lines.Err(); err != nil {
		t.Fatal(err)
	}
	return ""
}

func TestEveryTabHearsOfRefreshAndLogout(t *testing.T) {
	f := open(t, nil, func(c *Config) { c.Sessions = sessions(t, &rotating{life: time.Hour}) })
	f.sessions = f.cfg.Sessions
	s, ticket := f.signIn(t, time.Hour)
	tabs := []*listener{f.listen(t, ticket), f.listen(t, ticket)}
	h := tabs[0].res.Header
	if h.Get("Content-Type") != "text/event-stream" || h.Get("Cache-Control") != "no-store, no-transform" || h.Get("X-Accel-Buffering") != "no" || h.Get("Content-Length") != "" {
		t.Errorf("headers: %v", h)
	}
	if err := s.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, tab := range tabs {
		if got := tab.next(t); !strings.HasPrefix(got, "event: refreshed\ndata: {\"expires_in\":6047") {
			t.Errorf("after a refresh: %q", got)
		}
	}
	began := time.Now()
	end(t, s)
	for _, tab := range tabs {
		if got := tab.next(t); got != "event: logged-out\ndata: {\"reason\":\"logout\"}" {
			t.Errorf("after a logout: %q", got)
		}
		if got := tab.next(t); got != "" || time.Since(began) > time.Second {
			t.Errorf("the stream goes on: %q, after %v", got, time.Since(began))
		}
	}
	mustFail(t, f.get(t, "/bff/events", "Sec-Fetch-Site: same-origin", "Cookie: "+f.cookie(ticket)), SessionExpired)
}

func TestEventsAreForPagesOfOurOwnThatAreSignedIn(t *testing.T) {
	f := open(t, nil)
	_, ticket := f.signIn(t, time.Hour)
	mustFail(t, f.get(t, "/bff/events", "Sec-Fetch-Site: same-origin"), NoSession)
	mustFail(t, f.get(t, "/bff/events", "Sec-Fetch-Site: cross-site", "Cookie: "+f.cookie(ticket)), CSRFFailed)
	mustFail(t, f.get(t, "/bff/events", "Cookie: "+f.cookie(ticket)), CSRFFailed)
	mustFail(t, f.send(t, "POST", "/bff/events", "Sec-Fetch-Site: same-origin", "Content-Length: 0"), MethodNotAllowed)
}

func TestAStepUpIsNoLogout(t *testing.T) {
	f := open(t, nil)
	s, ticket := f.signIn(t, time.Hour)
	tab := f.listen(t, ticket)
	next, _, err := f.sessions.Begin(t.Context(), session.Start{Grant: s.State().Grant, Replaces: s.ID()})
	if err != nil {
		t.Fatal(err)
	}
	if got := tab.next(t); !strings.HasPrefix(got, "event: refreshed\n") {
		t.Errorf("after a step-up: %q", got)
	}
	end(t, next)
	if got := tab.next(t); !strings.HasPrefix(got, "event: logged-out\n") {
		t.Errorf("after the logout: %q", got)
	}
}

func TestAShutdownEndsEventsWithoutALogout(t *testing.T) {
	f := open(t, nil)
	_, ticket := f.signIn(t, time.Hour)
	tab := f.listen(t, ticket)
	if err := f.CloseStreams(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := tab.next(t); got != "" {
		t.Errorf("got %q", got)
	}
}

// onPaper is a client of an event stream that reads everything.
type onPaper struct {
	*httptest.ResponseRecorder
	began time.Time
	parts []part
}

type part struct {
	at   time.Duration
	text string
}

func (p *onPaper) Write(b []byte) (int, error) {
	p.parts = append(p.parts, part{time.Since(p.began), string(b)})
	return len(b), nil
}

// during opens a session's event stream, in a bubble, and returns what came and when.
func (d *desk) during(ctx context.Context, t *testing.T, ticket string) []part {
	t.Helper()
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, ownOrigin+"/bff/events", nil)
	r.Header.Set("Cookie", d.cookie(ticket))
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	w := &onPaper{ResponseRecorder: httptest.NewRecorder(), began: time.Now()}
	d.gateway.ServeHTTP(w, r)
	return w.parts
}

func TestAnIdleSessionIsToldThatItEndsAndThenThatItHasEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		g := d.grant("alice")
		g.Access = map[session.Target]session.AccessToken{{}: {Token: "at", Issued: time.Now(), Expiry: time.Now().Add(24 * time.Hour)}}
		s, ticket := d.begin(t, g)
		go func() {
			time.Sleep(7*time.Hour + 59*time.Minute) // after the first warning
			s.Touch()
		}()
		var events []string
		for _, p := range d.during(t.Context(), t, ticket)[1:] {
			if strings.HasPrefix(p.text, "event: ") {
				events = append(events, p.at.Truncate(time.Second).String()+" "+p.text)
			}
		}
		want := []string{
			"7h58m0s event: session-expiring\ndata: {\"expires_in\":576120,\"idle_expires_in\":120}\n\n",
			"15h57m0s event: session-expiring\ndata: {\"expires_in\":547380,\"idle_expires_in\":120}\n\n",
			"15h59m0s event: logged-out\ndata: {\"reason\":\"session_expired\"}\n\n",
		}
		if strings.Join(events, "") != strings.Join(want, "") {
			t.Errorf("got  %q\nwant %q", events, want)
		}
	})
}

func TestASilentStreamHasAHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		s, ticket := d.begin(t, d.grant("alice"))
		ctx, leave := context.WithTimeout(t.Context(), 10*time.Minute)
		defer leave()
		seen := s.Seen()
		parts := d.during(ctx, t, ticket)
		if len(parts[0].text) < 2048 || !strings.Contains(parts[0].text, "\nretry: ") {
			t.Errorf("begins with %q", parts[0].text)
		}
		for i, p := range parts[1:] {
			if gap := p.at - parts[i].at; p.text != ":\n\n" || gap < 15*time.Second || gap > 25*time.Second {
				t.Errorf("%q after %v", p.text, gap)
			}
		}
		if len(parts) < 24 || !s.Seen().Equal(seen) {
			t.Errorf("%d parts; seen %v later", len(parts), s.Seen().Sub(seen))
		}
	})
}
