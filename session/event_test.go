package session_test

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

// An audit trail needs it all in the event: the session may be gone when somebody reads it.
func TestEveryEventSaysWhoseSessionItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		told := make(map[session.EventKind]session.Event)
		r := open(t, func(c *session.Config) {
			c.Observe = func(e session.Event) {
				mu.Lock()
				defer mu.Unlock()
				told[e.Kind] = e
			}
		})
		device := session.Device{Browser: "Firefox", System: "Linux", Address: "192.0.2.0/24"}
		s, _, err := r.Begin(t.Context(), session.Start{Grant: r.grant(), Device: device})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := s.End(session.By(t.Context(), "10.0.0.7"), session.ByOperator); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		r.halt()
		for _, kind := range []session.EventKind{session.Began, session.Refreshed, session.Ended, session.Revoked} {
			e := told[kind]
			if e.ID != s.ID() || e.Issuer != "https://idp.example" || e.Client != "bff" || e.Subject != "alice" || e.Device != device {
				t.Errorf("%s: got %+v", kind, e)
			}
			if by := e.By; kind == session.Ended && by != "10.0.0.7" || kind != session.Ended && by != "" {
				t.Errorf("%s: by %q", kind, by)
			}
		}
	})
}

func TestAStepUpTellsWhichSessionGoesOn(t *testing.T) {
	for _, row := range []struct {
		name, subject string
		goesOn        bool
	}{{"the same user", "alice", true}, {"another user", "bob", false}} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var mu sync.Mutex
				var began []session.Event
				r := open(t, func(c *session.Config) {
					c.Observe = func(e session.Event) {
						mu.Lock()
						defer mu.Unlock()
						if e.Kind == session.Began {
							began = append(began, e)
						}
					}
				})
				old, _, err := r.Begin(t.Context(), session.Start{Grant: r.grant()})
				if err != nil {
					t.Fatal(err)
				}
				g := r.grant()
				g.Subject, g.ACR = row.subject, "phr"
				if _, _, err := r.Begin(t.Context(), session.Start{Grant: g, Replaces: old.ID()}); err != nil {
					t.Fatal(err)
				}
				r.halt()
				if len(began) != 2 || !began[0].Continues.IsZero() || began[0].ACR != "" || began[1].ACR != "phr" {
					t.Fatalf("got %+v", began)
				}
				if next := began[1].Continues; row.goesOn && next != old.ID() || !row.goesOn && !next.IsZero() {
					t.Errorf("it goes on with %v", next)
				}
			})
		})
	}
}
