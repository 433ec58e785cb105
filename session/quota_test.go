package session_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

// atMost is a room whose users may have so many sessions.
func atMost(t *testing.T, n int) *room {
	t.Helper()
	return open(t, func(c *session.Config) { c.MaxPerUser = n })
}

// signInWith begins a session for alice with a refresh token.
func (r *room) signInWith(m *session.Manager, rt string, replaces session.ID) (*session.Session, string) {
	r.t.Helper()
	g := r.grant()
	g.RefreshToken = session.Token(rt)
	s, ticket, err := m.Begin(r.t.Context(), session.Start{Grant: g, Replaces: replaces})
	if err != nil {
		r.t.Fatal(err)
	}
	return s, ticket
}

// names lists a manager's live sessions of alice by their refresh tokens, in order.
func (r *room) names(m *session.Manager) []string {
	r.t.Helper()
	all, err := m.OfSubject(r.t.Context(), "https://idp.example", "alice")
	if err != nil {
		r.t.Fatal(err)
	}
	var names []string
	for _, s := range all {
		names = append(names, s.State().Grant.RefreshToken.Reveal())
	}
	slices.Sort(names)
	return names
}

func TestOneSessionTooManyEndsTheOldest(t *testing.T) {
	onEachStore(t, func(t *testing.T, r *room) {
		r.halt()
		r.config.MaxPerUser = 2
		r.start()
		_, oldest := r.signInWith(r.Manager, "rt-a", session.ID{})
		time.Sleep(time.Minute)
		b, _ := r.signInWith(r.Manager, "rt-b", session.ID{})
		time.Sleep(time.Minute)
		elsewhere := r.grant()
		elsewhere.Issuer = "https://other.example"
		if _, _, err := r.Begin(t.Context(), session.Start{Grant: elsewhere}); err != nil {
			t.Fatal(err)
		}
		if got := r.names(r.Manager); !slices.Equal(got, []string{"rt-a", "rt-b"}) {
			t.Errorf("a subject of another issuer is somebody else, and left %v", got)
		}
		b.Touch() // the oldest is who began first, used or not
		r.signInWith(r.Manager, "rt-c", session.ID{})
		if got := r.names(r.Manager); !slices.Equal(got, []string{"rt-b", "rt-c"}) {
			t.Errorf("left: %v", got)
		}
		_, err := r.Open(t.Context(), oldest)
		if reason(t, err) != session.TooMany {
			t.Error(err)
		}
		time.Sleep(2 * time.Second)
		if _, _, revoked := r.provider.counts(); !slices.Equal(revoked, []session.Token{"rt-a"}) {
			t.Errorf("%d were revoked", len(revoked))
		}
	})
}

func TestSessionsThatAreOverTakeNoPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := atMost(t, 2)
		r.signInWith(r.Manager, "rt-idle", session.ID{})
		out, _ := r.signInWith(r.Manager, "rt-out", session.ID{})
		if err := out.End(t.Context(), session.LoggedOut); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		r.halt() // nobody ends what reaches its limit
		r.signInWith(r.Manager, "rt-a", session.ID{})
		time.Sleep(7 * time.Hour)
		r.signInWith(r.Manager, "rt-b", session.ID{})
		if got := r.names(r.Manager); !slices.Equal(got, []string{"rt-a", "rt-b"}) {
			t.Errorf("left: %v", got)
		}
	})
}

func TestASessionThatGoesOnCountsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := atMost(t, 2)
		old, _ := r.signInWith(r.Manager, "rt-a", session.ID{})
		time.Sleep(time.Minute)
		r.signInWith(r.Manager, "rt-b", session.ID{})
		for i := range 3 { // step-ups of the oldest
			time.Sleep(time.Minute)
			old, _ = r.signInWith(r.Manager, fmt.Sprint("rt-a", i), old.ID())
		}
		if got := r.names(r.Manager); !slices.Equal(got, []string{"rt-a2", "rt-b"}) {
			t.Errorf("left: %v", got)
		}
		r.halt()
		r.config.MaxPerUser = 1
		r.start()
		// A smaller limit is for the next login, not for a step-up.
		r.signInWith(r.Manager, "rt-a3", old.ID())
		if got := r.names(r.Manager); !slices.Equal(got, []string{"rt-a3", "rt-b"}) {
			t.Errorf("left: %v", got)
		}
		time.Sleep(time.Minute)
		r.signInWith(r.Manager, "rt-c", session.ID{})
		if got := r.names(r.Manager); !slices.Equal(got, []string{"rt-c"}) {
			t.Errorf("left: %v", got)
		}
	})
}

func TestWhoLogsInLastIsNotTheOldestByAnotherClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := atMost(t, 1)
		ahead := r.config
		ahead.Now = func() time.Time { return time.Now().Add(time.Minute) }
		other, err := session.New(ahead)
		if err != nil {
			t.Fatal(err)
		}
		r.signInWith(other, "rt-there", session.ID{})
		s, _ := r.signInWith(r.Manager, "rt-here", session.ID{})
		if got := r.names(r.Manager); !slices.Equal(got, []string{"rt-here"}) {
			t.Errorf("left: %v", got)
		}
		if _, absolute := s.Limits(); absolute != 168*time.Hour {
			t.Errorf("the absolute limit is %v away", absolute)
		}
	})
}

func TestLoginsInManyProcessesAtOnceKeepTheLimitAndTheNewest(t *testing.T) {
	for _, limit := range []int{1, 3} {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := atMost(t, limit)
				var all sync.WaitGroup
				var mu sync.Mutex
				var newest *session.Session
				for p := range 3 {
					m := r.other()
					for i := range 8 {
						all.Go(func() {
							s, _ := r.signInWith(m, fmt.Sprintf("rt-%d-%d", p, i), session.ID{})
							mu.Lock()
							defer mu.Unlock()
							if newest == nil || later(s, newest) {
								newest = s
							}
						})
					}
				}
				all.Wait()
				got := r.names(r.other())
				want := newest.State().Grant.RefreshToken.Reveal()
				if len(got) != limit || !slices.Contains(got, want) {
					t.Errorf("left: %v, and the newest is %q", got, want)
				}
			})
		})
	}
}

func TestOfTwoLoginsAtOnceTheLaterStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := atMost(t, 1)
		var b *session.Session
		r.store.during("Create", func() { // both have looked before either stands
			time.Sleep(time.Second)
			b, _ = r.signInWith(r.other(), "rt-b", session.ID{})
		})
		a, ticket := r.signInWith(r.Manager, "rt-a", session.ID{})
		if !later(b, a) {
			t.Fatal("the test is of no use")
		}
		if got := r.names(r.Manager); !slices.Equal(got, []string{"rt-b"}) {
			t.Errorf("left: %v", got)
		}
		_, err := r.Open(t.Context(), ticket)
		if reason(t, err) != session.TooMany {
			t.Error(err)
		}
	})
}

// later reports whether a began after b, as managers see it.
func later(a, b *session.Session) bool {
	if c := a.State().Created.Compare(b.State().Created); c != 0 {
		return c > 0
	}
	return a.ID().String() > b.ID().String()
}

func TestALoginFailsIfNobodyCanTellHowManyThereAre(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := atMost(t, 1)
		r.signInWith(r.Manager, "rt-a", session.ID{})
		r.store.breakWith(errors.New("connection refused"))
		before := r.store.written()
		_, _, err := r.Begin(t.Context(), session.Start{Grant: r.grant()})
		wantStoreError(t, err)
		if r.store.written() != before {
			t.Error("a session was begun all the same")
		}
	})
}

func TestALoginStandsIfTheStoreGoesAwayAfterIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := atMost(t, 1)
		r.signInWith(r.Manager, "rt-a", session.ID{})
		r.store.during("Create", func() {
			r.store.during("Find", func() { r.store.breakWith(errors.New("connection refused")) })
		})
		time.Sleep(time.Second)
		r.signInWith(r.Manager, "rt-b", session.ID{})
		r.store.breakWith(nil)
		if got := r.names(r.Manager); !slices.Equal(got, []string{"rt-a", "rt-b"}) {
			t.Errorf("left: %v", got)
		}
		time.Sleep(time.Second)
		r.signInWith(r.Manager, "rt-c", session.ID{})
		if got := r.names(r.Manager); !slices.Equal(got, []string{"rt-c"}) {
			t.Errorf("after the next login: %v", got)
		}
	})
}

func TestALimitBelowZeroIsRefused(t *testing.T) {
	_, err := session.New(session.Config{Store: newMemory(), Keys: ring(t, 1), Refresher: &provider{}, MaxPerUser: -1})
	if err == nil {
		t.Error("accepted")
	}
}
