package session_test

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

// earlier is a file that an earlier release wrote, at the moment at which the clock of every
// bubble stands, with tickets into it. It is d31a49d's, the first with this form of records,
// and is never made anew. What this release writes, that one reads: see package e2e.
func earlier(t *testing.T) (r *room, tickets map[string]string) {
	t.Helper()
	packed, err := os.Open("testdata/earlier/cloakroom.db.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer packed.Close()
	z, err := gzip.NewReader(packed)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "cloakroom.db")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("testdata/earlier/tickets.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &tickets); err != nil {
		t.Fatal(err)
	}
	store := openBolt(t, path)
	return open(t, func(c *session.Config) { c.Store = store }), tickets
}

func TestSessionsOfAnEarlierReleaseLiveOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, tickets := earlier(t)
		for name, token := range map[string]string{"fresh": "at-0", "refreshed": "at-1", "heir": "at-0", "lost": "at-0"} {
			s, err := r.Open(t.Context(), tickets[name])
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			at, err := s.Token(t.Context(), session.Target{})
			if err != nil || at.Token.Reveal() != token || s.State().Grant.Claims["role"] != "reader" {
				t.Errorf("%s: token %q, claims %v, %v", name, at.Token.Reveal(), s.State().Grant.Claims, err)
			}
		}
		for name, want := range map[string]session.Reason{"ended": session.LoggedOut, "replaced": session.Replaced} {
			if _, err := r.Open(t.Context(), tickets[name]); reason(t, err) != want {
				t.Errorf("%s: %v", name, err)
			}
		}
		if err := r.Once(t.Context(), "state", "used", time.Hour); !errors.Is(err, session.ErrUsed) {
			t.Errorf("a value that was used: %v", err)
		}
		time.Sleep(2 * time.Hour)
		for _, name := range []string{"fresh", "refreshed", "heir", "lost"} {
			s, err := r.Open(t.Context(), tickets[name])
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if _, err := s.Token(t.Context(), session.Target{}); err != nil {
				t.Errorf("%s is not refreshed: %v", name, err)
			}
		}
		if n, _, revoked := r.provider.counts(); n != 4 || len(revoked) == 0 {
			t.Errorf("%d presentations, revoked %d: what was to be revoked is forgotten", n, len(revoked))
		}
	})
}
