package session_test

import (
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

// BenchmarkTicketToToken is what every call of a signed-in browser pays: from the cookie
// value to a fresh access token.
func BenchmarkTicketToToken(b *testing.B) {
	m, err := session.New(session.Config{Store: newMemory(), Keys: ring(b, 1), Refresher: &provider{}})
	if err != nil {
		b.Fatal(err)
	}
	now := time.Now()
	_, ticket, err := m.Begin(b.Context(), session.Start{Grant: session.Grant{
		Issuer: "i", Subject: "s", RefreshToken: "rt",
		Access: map[session.Target]session.AccessToken{{}: {Token: "at", Issued: now, Expiry: now.Add(24 * time.Hour)}},
	}})
	if err != nil {
		b.Fatal(err)
	}
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		s, err := m.Open(ctx, ticket)
		if err != nil {
			b.Fatal(err)
		}
		s.Touch()
		if _, err := s.Token(ctx, session.Target{}); err != nil {
			b.Fatal(err)
		}
	}
}
