package session

import (
	"strings"
	"testing"
	"time"
)

// typical is the state of a session with tokens of the usual length.
func typical() *State {
	now := time.Now()
	return &State{
		Grant: Grant{
			Issuer: "https://id.example.com", ClientID: "app", Subject: "alice", ProviderSession: "sid",
			RefreshToken: Token(strings.Repeat("r", 64)), IDToken: Token(strings.Repeat("i", 1200)),
			Claims: map[string]any{"sub": "alice", "email": "alice@example.com", "roles": []any{"reader", "ops"}},
			Access: map[Target]AccessToken{{}: {Token: Token(strings.Repeat("a", 1200)), Type: "Bearer", Issued: now, Expiry: now.Add(time.Hour)}},
		},
		Device: Device{"Firefox", "Linux", "192.0.2.0/24"}, Proof: "proof",
		Created: now, Seen: now, Deadline: now.Add(24 * time.Hour),
	}
}

func BenchmarkSeal(b *testing.B) {
	ring, st := newRing(b, 1), typical()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := st.record(ring, ID{1}, time.Hour); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkUnseal(b *testing.B) {
	ring := newRing(b, 1)
	r, err := typical().record(ring, ID{1}, time.Hour)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := readState(ring, r); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkTicket is that of a browser which this process has not seen yet.
func BenchmarkTicket(b *testing.B) {
	made, err := newTickets(newRing(b, 1), time.Hour)
	if err != nil {
		b.Fatal(err)
	}
	ticket, _, err := made.issue()
	if err != nil {
		b.Fatal(err)
	}
	b.Run("issue", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, _, err := made.issue(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("open", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := made.open(ticket); err != nil {
				b.Fatal(err)
			}
		}
	})
}
