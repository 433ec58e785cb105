package session_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

// wantBacklog compares what waits for its revocation.
func wantBacklog(t *testing.T, m *session.Manager, sessions int, age time.Duration) {
	t.Helper()
	n, oldest := m.Backlog()
	if n != sessions || n > 0 && time.Since(oldest) != age {
		t.Errorf("%d sessions wait, the oldest for %v; want %d, %v", n, time.Since(oldest), sessions, age)
	}
	if n == 0 && !oldest.IsZero() {
		t.Errorf("nothing waits, but since %v", oldest)
	}
}

func TestWhatWaitsForItsRevocationIsCounted(t *testing.T) {
	onEachStore(t, func(t *testing.T, r *room) {
		wantBacklog(t, r.Manager, 0, 0)
		r.provider.set(func(p *provider) { p.revokeFail = errors.New("503") })
		for range 3 {
			s, _ := r.signIn()
			if err := s.End(t.Context(), session.LoggedOut); err != nil {
				t.Fatal(err)
			}
			time.Sleep(20 * time.Minute)
		}
		wantBacklog(t, r.Manager, 3, time.Hour)
		r.halt()
		r.start() // a new process comes upon them
		time.Sleep(time.Minute)
		wantBacklog(t, r.Manager, 3, time.Hour+time.Minute)
		r.provider.set(func(p *provider) { p.revokeFail = nil })
		time.Sleep(time.Minute)
		wantBacklog(t, r.Manager, 0, 0)
	})
}

func TestWhatAnotherProcessHasRevokedIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, func(c *session.Config) { c.SoleOwner = false })
		idle := r.other() // nothing runs in its background
		s, _, err := idle.Begin(t.Context(), session.Start{Grant: r.grant()})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.End(t.Context(), session.LoggedOut); err != nil {
			t.Fatal(err)
		}
		wantBacklog(t, idle, 1, 0)
		time.Sleep(11 * time.Minute)
		if _, _, revoked := r.provider.counts(); len(revoked) != 1 {
			t.Errorf("revoked %d", len(revoked))
		}
		wantBacklog(t, idle, 0, 0)
	})
}
