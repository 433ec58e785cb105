package session_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

// withAddress begins a session of somebody with an address.
func (r *room) withAddress(subject string, email any) *session.Session {
	r.t.Helper()
	g := r.grant()
	g.Subject, g.IssuedAt, g.Claims = subject, time.Now(), map[string]any{"sub": subject, "email": email}
	s, _, err := r.Begin(r.t.Context(), session.Start{Grant: g})
	if err != nil {
		r.t.Fatal(err)
	}
	return s
}

func byAddress(c *session.Config) { c.ByEmail = true }

func TestASignOutByAddressEndsTheSessionsOfWhoHasIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, byAddress)
		alice, phone := r.withAddress("alice", "Alice@example.com"), r.withAddress("alice", "alice@Example.com")
		bob, nobody := r.withAddress("bob", "bob@example.com"), r.withAddress("eve", []any{"alice@example.com"})
		out := session.Word{Issuer: issuer, Email: "ALICE@example.com", At: time.Now()}
		if n, err := r.SignedOut(t.Context(), out, session.BySignal); err != nil || n != 2 {
			t.Errorf("ended %d, %v", n, err)
		}
		for s, want := range map[*session.Session]session.Reason{alice: session.BySignal, phone: session.BySignal, bob: "", nobody: ""} {
			if got := s.State().Ended; got != want {
				t.Errorf("%s: ended by %q", s.State().Grant.Subject, got)
			}
		}
		g := r.grant()
		g.IssuedAt, g.Claims = time.Now().Add(-time.Minute), map[string]any{"email": "alice@example.com"}
		_, _, err := r.Begin(t.Context(), session.Start{Grant: g})
		if got := reason(t, err); got != session.BySignal {
			t.Errorf("a login from before it: %s", got)
		}
	})
}

func TestAnAddressAndAnotherNameAreBothMeant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, byAddress)
		s := r.withAddress("alice", "alice@example.com")
		for _, out := range []session.Word{
			{Issuer: issuer, Email: "bob@example.com", ProviderSession: "sid-1", At: time.Now()},
			{Issuer: issuer, Email: "alice@example.com", ProviderSession: "sid-2", At: time.Now()},
			{Issuer: issuer, Email: "alice@example.com", Subject: "bob", At: time.Now()},
			{Issuer: "https://other.example", Email: "alice@example.com", At: time.Now()},
			{Issuer: issuer, Email: "alice@example.com", At: time.Now().Add(-time.Second)},
		} {
			if n, err := r.SignedOut(t.Context(), out, session.BySignal); err != nil || n != 0 {
				t.Errorf("%+v: ended %d, %v", out, n, err)
			}
		}
		out := session.Word{Issuer: issuer, Email: "alice@example.com", ProviderSession: "sid-1", At: time.Now()}
		if n, err := r.SignedOut(t.Context(), out, session.BySignal); err != nil || n != 1 || s.State().Ended == "" {
			t.Errorf("ended %d, %v", n, err)
		}
	})
}

// The index follows the claims, and the configuration.
func TestASessionIsFoundByTheAddressOfItsLastWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		s := r.withAddress("alice", "old@example.com")
		found := func(email string, want int) {
			t.Helper()
			if got, err := r.OfEmail(t.Context(), issuer, email); err != nil || len(got) != want {
				t.Errorf("%s: found %d, %v", email, len(got), err)
			}
		}
		found("old@example.com", 0)
		cfg := r.config
		cfg.ByEmail = true
		if err := r.Reconfigure(cfg); err != nil {
			t.Fatal(err)
		}
		r.provider.answer = func(n int, _ *session.Grant) (*session.Renewal, error) {
			renewal := r.provider.good(n)
			renewal.IDToken = "idt-1"
			return renewal, nil
		}
		r.provider.verify = func(session.Token) (*session.Identity, error) {
			return &session.Identity{Claims: map[string]any{"sub": "alice", "email": "new@example.com"}}, nil
		}
		if err := s.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		found("old@example.com", 0)
		found("new@example.com", 1)
	})
}
