package fill

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cloakroom-bff/cloakroom/internal/config"
	"github.com/cloakroom-bff/cloakroom/session"
)

func TestAFilledStoreKnowsEachTicket(t *testing.T) {
	t.Parallel()
	const sessions = 1500
	path, key := filepath.Join(t.TempDir(), "sessions.db"), config.NewKey()
	filling := Filling{Store: "bolt:" + path, Keys: []string{key}, Issuer: "https://op.example", Client: "bench", Sessions: sessions}
	var cookies bytes.Buffer
	if err := filling.Run(t.Context(), &cookies); err != nil {
		t.Fatal(err)
	}
	m := manager(t, path, key)
	subjects := make(map[string]bool)
	for line := range strings.Lines(cookies.String()) {
		ticket, named := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "cloakroom=")
		if !named {
			t.Fatalf("%q is no cookie of the ticket", line)
		}
		s, err := m.Open(t.Context(), ticket)
		if err != nil {
			t.Fatal(err)
		}
		if token, err := s.Token(t.Context(), session.Target{}); err != nil || token.Token == "" {
			t.Fatalf("a session has no token: %v", err)
		}
		subjects[s.State().Grant.Subject] = true
	}
	if len(subjects) != sessions {
		t.Errorf("the tickets are of %d users, want %d", len(subjects), sessions)
	}
}

func TestAFillingEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	filling := Filling{Store: "bolt:" + filepath.Join(t.TempDir(), "sessions.db"), Keys: []string{config.NewKey()}, Sessions: 1 << 40}
	if err := filling.Run(ctx, &bytes.Buffer{}); !errors.Is(err, context.Canceled) {
		t.Errorf("the filling ended with %v, want the end of its context", err)
	}
}

func TestAFillingEndsWhereTicketsCannotBeWritten(t *testing.T) {
	t.Parallel()
	filling := Filling{Store: "bolt:" + filepath.Join(t.TempDir(), "sessions.db"), Keys: []string{config.NewKey()}, Sessions: 1 << 40}
	if err := filling.Run(t.Context(), full{}); !errors.Is(err, errFull) {
		t.Errorf("the filling ended with %v, want what the writer said", err)
	}
}

var errFull = errors.New("no room")

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errFull }

func manager(t *testing.T, path, key string) *session.Manager {
	t.Helper()
	ring, err := keyring([]string{key})
	if err != nil {
		t.Fatal(err)
	}
	s, err := open("bolt:" + path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	m, err := session.New(session.Config{Store: s, Keys: ring, Refresher: nobody{}})
	if err != nil {
		t.Fatal(err)
	}
	return m
}
