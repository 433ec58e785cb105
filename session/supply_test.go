package session_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

// mint is a TokenIssuer of which a test says what it answers.
type mint struct {
	mu       sync.Mutex
	lifetime time.Duration
	endless  bool // says nothing of the lifetime
	delay    time.Duration
	fail     *session.RefreshError
	dead     session.Token // a subject or actor token that is not taken
	made     int
	subjects []session.Token
	actors   []session.Token
	late     int // calls whose context had ended
}

func (m *mint) ClientToken(ctx context.Context, t session.Target) (session.AccessToken, error) {
	return m.make(ctx, "client", t)
}

func (m *mint) ExchangeToken(ctx context.Context, subject, actor session.AccessToken, t session.Target) (session.AccessToken, error) {
	m.mu.Lock()
	m.subjects, m.actors = append(m.subjects, subject.Token), append(m.actors, actor.Token)
	dead := m.dead
	m.mu.Unlock()
	if dead != "" && (subject.Token == dead || actor.Token == dead) {
		return session.AccessToken{}, &session.RefreshError{Class: session.Refused, Code: "invalid_request"}
	}
	return m.make(ctx, "exchanged", t)
}

func (m *mint) make(ctx context.Context, kind string, t session.Target) (session.AccessToken, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.made++
	n, delay, fail, now := m.made, m.delay, m.fail, time.Now()
	if delay > 0 {
		m.mu.Unlock()
		time.Sleep(delay)
		m.mu.Lock()
	}
	if ctx.Err() != nil {
		m.late++
	}
	if fail != nil {
		return session.AccessToken{}, fail
	}
	at := session.AccessToken{Token: session.Token(fmt.Sprintf("%s-%s-%d", kind, t.Audience, n)), Type: "Bearer", Issued: now, Expiry: now.Add(m.lifetime)}
	if m.endless {
		at.Expiry = time.Time{}
	}
	return at, nil
}

func (m *mint) set(f func(*mint)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f(m)
}

func (m *mint) count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.made
}

// openWith makes a room with a mint.
func openWith(t *testing.T, change func(*session.Config)) (*room, *mint) {
	t.Helper()
	m := &mint{lifetime: 10 * time.Minute}
	return open(t, func(c *session.Config) {
		c.Issuer = m
		if change != nil {
			change(c)
		}
	}), m
}

var ledger = session.Target{Audience: "ledger"}

// kinds are the ways to a token that no refresh token stands behind.
var kinds = []struct {
	name  string
	token func(context.Context, *room, *session.Session) (session.AccessToken, error)
	renew func(context.Context, *room, *session.Session, session.Token) (session.AccessToken, error)
}{
	{
		"client",
		func(ctx context.Context, r *room, _ *session.Session) (session.AccessToken, error) {
			return r.ClientToken(ctx, ledger)
		},
		func(ctx context.Context, r *room, _ *session.Session, refused session.Token) (session.AccessToken, error) {
			return r.RenewClientToken(ctx, ledger, refused)
		},
	},
	{
		"exchange",
		func(ctx context.Context, _ *room, s *session.Session) (session.AccessToken, error) {
			return s.ExchangedToken(ctx, ledger)
		},
		func(ctx context.Context, _ *room, s *session.Session, refused session.Token) (session.AccessToken, error) {
			return s.RenewExchangedToken(ctx, ledger, refused)
		},
	},
}

// each runs a test for each kind.
func each(t *testing.T, test func(t *testing.T, r *room, m *mint, get func() (session.AccessToken, error), renew func(session.Token) (session.AccessToken, error))) {
	t.Helper()
	for _, kind := range kinds {
		t.Run(kind.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, m := openWith(t, nil)
				r.provider.lifetime = 24 * time.Hour
				s, _ := r.signIn()
				test(t, r, m,
					func() (session.AccessToken, error) { return kind.token(t.Context(), r, s) },
					func(refused session.Token) (session.AccessToken, error) {
						return kind.renew(t.Context(), r, s, refused)
					})
			})
		})
	}
}

func TestASuppliedTokenIsMadeOnceForAllWhoWait(t *testing.T) {
	each(t, func(t *testing.T, _ *room, m *mint, get func() (session.AccessToken, error), _ func(session.Token) (session.AccessToken, error)) {
		m.delay = time.Second
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				if _, err := get(); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if m.count() != 1 {
			t.Errorf("%d were made", m.count())
		}
	})
}

// Whoever finds no token, and is overtaken before it can ask for one, asks for none.
func TestWhoIsOvertakenOrdersNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var overtake func()
		r, m := openWith(t, func(c *session.Config) {
			c.Now = func() time.Time {
				if f := overtake; f != nil {
					overtake = nil
					f()
				}
				return time.Now()
			}
		})
		overtake = func() {
			if _, err := r.ClientToken(t.Context(), ledger); err != nil {
				t.Error(err)
			}
		}
		if at, err := r.ClientToken(t.Context(), ledger); err != nil || m.count() != 1 {
			t.Errorf("%q, %v: %d were made", at.Token.Reveal(), err, m.count())
		}
	})
}

func TestASuppliedTokenIsReplacedBeforeItsEndWithoutAnybodyWaiting(t *testing.T) {
	each(t, func(t *testing.T, _ *room, m *mint, get func() (session.AccessToken, error), _ func(session.Token) (session.AccessToken, error)) {
		first, err := get()
		if err != nil {
			t.Fatal(err)
		}
		m.set(func(m *mint) { m.delay = 5 * time.Second })
		time.Sleep(9*time.Minute - time.Second) // before_expiry is a minute
		if at, err := get(); err != nil || at.Token != first.Token || m.count() != 1 {
			t.Errorf("%q, %v: too early", at.Token.Reveal(), err)
		}
		time.Sleep(2 * time.Second)
		began := time.Now()
		for range 3 {
			if at, err := get(); err != nil || at.Token != first.Token {
				t.Errorf("%q, %v", at.Token.Reveal(), err)
			}
		}
		if time.Since(began) != 0 {
			t.Error("somebody waited")
		}
		time.Sleep(6 * time.Second)
		if at, err := get(); err != nil || at.Token == first.Token || m.count() != 2 {
			t.Errorf("%q, %v: %d were made", at.Token.Reveal(), err, m.count())
		}
	})
}

func TestASuppliedTokenThatRanOutIsNotUsed(t *testing.T) {
	each(t, func(t *testing.T, _ *room, m *mint, get func() (session.AccessToken, error), _ func(session.Token) (session.AccessToken, error)) {
		if _, err := get(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10*time.Minute - time.Second) // within the margin
		m.set(func(m *mint) { m.fail = &session.RefreshError{Class: session.Transient} })
		if at, err := get(); class(t, err) != session.Transient {
			t.Errorf("%q, %v", at.Token.Reveal(), err)
		}
	})
}

func TestAFailedSupplyIsBackedOff(t *testing.T) {
	for _, row := range []struct {
		class  session.Class
		within time.Duration // no second order in this time
		after  time.Duration // one in this
	}{
		{session.Transient, 240 * time.Millisecond, 10 * time.Second},
		{session.BadTarget, 59 * time.Second, 61 * time.Second},
		{session.BadScope, 59 * time.Second, 61 * time.Second},
	} {
		t.Run(row.class.String(), func(t *testing.T) {
			each(t, func(t *testing.T, r *room, m *mint, get func() (session.AccessToken, error), _ func(session.Token) (session.AccessToken, error)) {
				m.set(func(m *mint) { m.fail = &session.RefreshError{Class: row.class} })
				for range 20 {
					if _, err := get(); class(t, err) != row.class {
						t.Error(err)
					}
				}
				time.Sleep(row.within)
				if _, err := get(); class(t, err) != row.class || m.count() != 1 {
					t.Errorf("%v: asked %d times", err, m.count())
				}
				m.set(func(m *mint) { m.fail = nil })
				time.Sleep(row.after - row.within)
				if _, err := get(); err != nil || m.count() != 2 {
					t.Errorf("%v: asked %d times", err, m.count())
				}
			})
		})
	}
}

// A client that may not use a grant may refresh all the same.
func TestARefusedSupplyDoesNotKeepSessionsFromTheirTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, m := openWith(t, nil)
		m.fail = &session.RefreshError{Class: session.Operator, Code: "unauthorized_client"}
		s, _ := r.signIn()
		time.Sleep(2 * time.Minute)
		if _, err := r.ClientToken(t.Context(), ledger); class(t, err) != session.Operator {
			t.Error(err)
		}
		if _, err := s.Token(t.Context(), session.Target{}); err != nil {
			t.Error(err)
		}
	})
}

func TestTheGatewaysOwnTokenIsNobodysFault(t *testing.T) {
	for _, c := range []session.Class{session.Refused, session.Denied, session.Interaction} {
		synctest.Test(t, func(t *testing.T) {
			r, m := openWith(t, nil)
			m.fail = &session.RefreshError{Class: c, Demand: map[string]string{"acr_values": "x"}}
			if _, err := r.ClientToken(t.Context(), ledger); class(t, err) != session.Operator {
				t.Errorf("%v: %v", c, err)
			}
		})
	}
}

func TestAWaiterWhoLeavesCancelsNoOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, m := openWith(t, nil)
		m.delay = time.Second
		ctx, leave := context.WithCancel(t.Context())
		go func() { time.Sleep(100 * time.Millisecond); leave() }()
		if _, err := r.ClientToken(ctx, ledger); err == nil {
			t.Error("it waited")
		}
		time.Sleep(time.Second)
		if _, err := r.ClientToken(t.Context(), ledger); err != nil || m.count() != 1 || m.late != 0 {
			t.Errorf("%v: %d were made, %d cancelled", err, m.count(), m.late)
		}
	})
}

func TestASupplyThatHangsIsWaitedForSoLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, m := openWith(t, nil)
		m.delay = time.Minute
		began := time.Now()
		if _, err := r.ClientToken(t.Context(), ledger); class(t, err) != session.Transient || time.Since(began) != 15*time.Second {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		time.Sleep(time.Minute)
	})
}

func TestTheBudgetIsForSuppliesToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := openWith(t, func(c *session.Config) { c.Rate = 1 })
		began := time.Now()
		for i := range 4 {
			if _, err := r.ClientToken(t.Context(), session.Target{Audience: fmt.Sprint(i)}); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(began); took < 3*time.Second {
			t.Errorf("four in %v", took)
		}
	})
}

func TestWhatIsRefusedIsReplacedThreeTimesAMinute(t *testing.T) {
	each(t, func(t *testing.T, _ *room, m *mint, get func() (session.AccessToken, error), renew func(session.Token) (session.AccessToken, error)) {
		at, err := get()
		if err != nil {
			t.Fatal(err)
		}
		old := at.Token
		for range 3 {
			before := at.Token
			if at, err = renew(before); err != nil || at.Token == before {
				t.Fatalf("%q, %v", at.Token.Reveal(), err)
			}
		}
		if got, err := renew(at.Token); err == nil {
			t.Errorf("a fourth one: %q", got.Token.Reveal())
		}
		// Who comes late with an old token gets the one at hand.
		if got, err := renew(old); err != nil || got.Token != at.Token || m.count() != 4 {
			t.Errorf("%q, %v", got.Token.Reveal(), err)
		}
		time.Sleep(time.Minute)
		if got, err := renew(at.Token); err != nil || got.Token == at.Token {
			t.Errorf("a minute later: %q, %v", got.Token.Reveal(), err)
		}
	})
}

func TestWithoutAnIssuerThereAreNoSuppliedTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		s, _ := r.signIn()
		for _, kind := range kinds {
			if _, err := kind.token(t.Context(), r, s); err == nil {
				t.Errorf("%s: got one", kind.name)
			}
			if _, err := kind.renew(t.Context(), r, s, "x"); err == nil {
				t.Errorf("%s: renewed one", kind.name)
			}
		}
	})
}

func TestAnExchangedTokenLivesNoLongerThanItsSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, m := openWith(t, func(c *session.Config) { c.AbsoluteTimeout = time.Hour })
		m.lifetime, r.provider.lifetime = 24*time.Hour, 24*time.Hour
		s, _ := r.signIn()
		at, err := s.ExchangedToken(t.Context(), ledger)
		if err != nil || at.Expiry.After(s.State().Deadline) {
			t.Fatalf("until %v, %v", at.Expiry, err)
		}
		if err := s.End(t.Context(), session.LoggedOut); err != nil {
			t.Fatal(err)
		}
		if at, err := s.ExchangedToken(t.Context(), ledger); reason(t, err) != session.LoggedOut {
			t.Errorf("after the logout: %q", at.Token.Reveal())
		}
	})
}

// What does not say how long it lives is not trusted longer than what it was made of.
func TestAnExchangedTokenOfUnknownLifeLivesAsItsSubject(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, m := openWith(t, nil)
		m.endless = true
		s, _ := r.signIn()
		at, err := s.ExchangedToken(t.Context(), ledger)
		if err != nil || !at.Expiry.Equal(s.State().Grant.Access[session.Target{}].Expiry) {
			t.Errorf("until %v, %v", at.Expiry, err)
		}
	})
}

func TestASessionThatEndsDuringAnExchangeGetsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, m := openWith(t, nil)
		m.delay = time.Second
		s, _ := r.signIn()
		go func() { time.Sleep(500 * time.Millisecond); _ = s.End(t.Context(), session.LoggedOut) }()
		if at, err := s.ExchangedToken(t.Context(), ledger); reason(t, err) != session.LoggedOut {
			t.Errorf("got %q", at.Token.Reveal())
		}
	})
}

func TestASubjectTokenThatIsNotTakenIsRenewedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, m := openWith(t, nil)
		m.dead = "at-0"
		s, _ := r.signIn()
		if _, err := s.ExchangedToken(t.Context(), ledger); err != nil || len(m.subjects) != 2 || m.subjects[1] != "at-1" {
			t.Fatalf("%v after %d trades", err, len(m.subjects))
		}
		// If a fresh one is not taken either, the session is not at fault.
		m.set(func(m *mint) { m.fail = &session.RefreshError{Class: session.Refused} })
		if _, err := s.ExchangedToken(t.Context(), session.Target{Audience: "x"}); class(t, err) != session.Operator {
			t.Error(err)
		}
		if st := s.State(); st.Ended != "" || r.provider.presented[len(r.provider.presented)-1] != "rt-1" {
			t.Errorf("%+v", st.Ended)
		}
	})
}

// What the provider refuses a trade for is no end of the session that wanted it.
func TestARefusedTradeEndsNoSession(t *testing.T) {
	for _, c := range []session.Class{session.Denied, session.Interaction, session.Refused, session.Operator} {
		synctest.Test(t, func(t *testing.T) {
			r, m := openWith(t, nil)
			m.fail = &session.RefreshError{Class: c}
			s, ticket := r.signIn()
			if _, err := s.ExchangedToken(t.Context(), ledger); err == nil {
				t.Errorf("%v: got one", c)
			}
			if _, err := r.Open(t.Context(), ticket); err != nil {
				t.Errorf("%v: %v", c, err)
			}
		})
	}
}
