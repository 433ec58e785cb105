package session_test

import (
	"context"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

// signedIn is a manager with one session, whose token holds for a day.
func signedIn(tb testing.TB) (*session.Manager, *session.Session, string) {
	tb.Helper()
	m, err := session.New(session.Config{Store: newMemory(), Keys: ring(tb, 1), Refresher: &provider{lifetime: time.Hour}, SoleOwner: true})
	if err != nil {
		tb.Fatal(err)
	}
	now := time.Now()
	s, ticket, err := m.Begin(tb.Context(), session.Start{Grant: session.Grant{
		Issuer: "i", Subject: "s", RefreshToken: "rt",
		Access: map[session.Target]session.AccessToken{{}: {Token: "at", Issued: now, Expiry: now.Add(24 * time.Hour)}},
	}})
	if err != nil {
		tb.Fatal(err)
	}
	return m, s, ticket
}

// ticketToToken is what every call of a signed-in browser pays: from the cookie's value to a
// fresh access token.
func ticketToToken(ctx context.Context, m *session.Manager, ticket string) error {
	s, err := m.Open(ctx, ticket)
	if err != nil {
		return err
	}
	s.Touch()
	_, err = s.Token(ctx, session.Target{})
	return err
}

func TestFromTheTicketToTheTokenNothingIsAllocated(t *testing.T) {
	m, _, ticket := signedIn(t)
	ctx := t.Context()
	if n := testing.AllocsPerRun(100, func() {
		if err := ticketToToken(ctx, m, ticket); err != nil {
			t.Error(err)
		}
	}); n > 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

func BenchmarkTicketToToken(b *testing.B) {
	m, _, ticket := signedIn(b)
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		if err := ticketToToken(ctx, m, ticket); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkTicketToTokenParallel shows what cores take from each other.
func BenchmarkTicketToTokenParallel(b *testing.B) {
	m, _, ticket := signedIn(b)
	ctx := b.Context()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := ticketToToken(ctx, m, ticket); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

func BenchmarkSessionLookup(b *testing.B) {
	m, s, _ := signedIn(b)
	ctx, id := b.Context(), s.ID()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := m.Get(ctx, id); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkFlight is a refresh at a provider that answers at once: three writes to the
// store, of which the first makes the token run out, and one exchange.
func BenchmarkFlight(b *testing.B) {
	_, s, _ := signedIn(b)
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Expire(ctx); err != nil {
			b.Fatal(err)
		}
		if _, err := s.Token(ctx, session.Target{}); err != nil {
			b.Fatal(err)
		}
	}
}
