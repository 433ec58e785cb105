package session

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// flight is the one refresh of a session that all who wait for it share. It belongs to
// the manager: it runs on its own context, and a caller may leave but never cancel it.
type flight struct {
	target Target
	forced bool   // by Refresh, whatever the token's age
	since  uint64 // the grant's generation when Refresh was called

	refused Token // by an API, so that another one is wanted; empty if none was

	part Part // of the traces of those who wait

	away atomic.Pointer[StoreError] // why the answer cannot be stored, while it cannot

	done chan struct{} // closed when at and err are set
	at   AccessToken
	err  error
}

// blocked is a target that the provider refused to serve, for a while.
type blocked struct {
	until time.Time // zero: until Refresh
	err   error
}

// Times of a refresh.
const (
	forcedEvery = 5 * time.Second // least time between two calls of Session.Refresh
	blockedFor  = time.Minute     // a target that the provider refused
	longestWait = 5 * time.Minute // of what a provider may ask for
	leasePoll   = 50 * time.Millisecond

	standBackFor = 250 * time.Millisecond // after the budget was needed more urgently
)

// Token returns an access token for t. A token that holds is returned at once; when it
// is due, a flight is started beside. Only without a token that holds does the caller
// wait, until ctx ends or Config.Wait is over. The errors are *EndedError, ErrNoSession,
// *RefreshError, *StoreError, and that of ctx.
func (s *Session) Token(ctx context.Context, t Target) (AccessToken, error) {
	now := s.m.now()
	if err := s.alive(ctx, now); err != nil {
		return AccessToken{}, err
	}
	st := s.state.Load()
	at := st.Grant.Access[t]
	if !at.Holds(now) {
		return s.await(ctx, t)
	}
	if at.Due(now, s.window(at)) && st.Grant.RefreshToken != "" && st.Attempt == nil && st.hindrance(s.m.terms().LostAnswer, now, t, false) == nil && s.mayHurry(now) {
		// Whatever comes of it, the token at hand is good for this request.
		_, _ = s.launch(ctx, &flight{target: t})
	}
	return at, nil
}

// Refresh refreshes now, whatever the token's age: new roles, new claims. It is let
// through once in five seconds; beyond that it fails with a *ThrottledError. The other
// errors are those of Token.
func (s *Session) Refresh(ctx context.Context) error {
	if err := s.alive(ctx, s.m.now()); err != nil {
		return err
	}
	if err := s.throttle(); err != nil {
		return err
	}
	st := s.State()
	if st.Grant.RefreshToken == "" {
		return &RefreshError{Class: Interaction, Err: errNoRefreshToken}
	}
	late := time.NewTimer(s.m.terms().Wait)
	defer late.Stop()
	for since := st.Grant.Generation; ; {
		if err := s.obstacle(s.State(), s.m.now(), Target{}, true); err != nil {
			return err
		}
		f, err := s.launch(ctx, &flight{forced: true, since: since})
		if err != nil {
			return err
		}
		// A flight that others wanted will do, if it brought something.
		_, err = s.wait(ctx, f, late.C)
		if errors.Is(err, errNotNow) {
			continue
		}
		if f.forced || err == nil && s.State().Grant.Generation > since || err != nil && !f.elsewhere(Target{}, err) {
			if err == nil {
				s.dropExchanges()
			}
			return err
		}
	}
}

var errNoRefreshToken = errors.New("the provider gave no refresh token")

// throttle lets one call through in five seconds, and lifts what only a login or this
// call can lift.
func (s *Session) throttle() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.m.now()
	if since := now.Sub(s.forced); since >= 0 && since < forcedEvery { // below zero the clock was set back
		return &ThrottledError{forcedEvery - since}
	}
	s.forced = now
	maps.DeleteFunc(s.blocked, func(_ Target, b *blocked) bool { return b.until.IsZero() })
	return nil
}

// window is how long before its end a token is refreshed. Each session has its own, up to
// a fifth shorter, so that those who logged in together do not refresh together.
func (s *Session) window(t AccessToken) time.Duration {
	if !t.Expiry.Before(s.state.Load().bound()) {
		return 0 // the token outlives the session
	}
	w := min(s.m.terms().BeforeExpiry, t.Expiry.Sub(t.Issued)/5)
	return w - w*time.Duration(s.id[0])/(5*256)
}

// await waits for a token for t, over as many flights as stand before it.
func (s *Session) await(ctx context.Context, t Target) (AccessToken, error) {
	late := time.NewTimer(s.m.terms().Wait)
	defer late.Stop()
	for {
		f, err := s.fly(ctx, t)
		if err != nil {
			return AccessToken{}, err
		}
		at, err := s.wait(ctx, f, late.C)
		if errors.Is(err, errNotNow) {
			continue // the token has run out while that flight stood back; now it is urgent
		}
		if f.target == t || err != nil && !f.elsewhere(t, err) {
			return at, err
		}
	}
}

// elsewhere reports whether the flight's failure is that of its own target, and says
// nothing of t.
func (f *flight) elsewhere(t Target, err error) bool {
	failed, ok := errors.AsType[*RefreshError](err)
	return ok && f.target != t && failed.Class.ofTarget(f.target)
}

// ofTarget reports whether a failure of this class concerns the target t alone, and not
// the session. Without its own token, which the zero Target stands for, a session is
// nothing.
func (c Class) ofTarget(t Target) bool {
	return c == BadScope || c == BadTarget || c == Interaction && t != Target{}
}

// wait waits for one flight.
func (s *Session) wait(ctx context.Context, f *flight, late <-chan time.Time) (_ AccessToken, err error) {
	s.m.tally.waiting.Add(1)
	defer s.m.tally.waiting.Add(-1)
	ctx, part := s.m.part(ctx, "token", f.part)
	defer func() { part.End(err) }()
	select {
	case <-f.done:
		return f.at, f.err
	case <-ctx.Done():
		return AccessToken{}, ctx.Err()
	case <-late:
		if away := f.away.Load(); away != nil {
			return AccessToken{}, away
		}
		return AccessToken{}, &RefreshError{Class: Transient, RetryAfter: time.Second, Err: errors.New("the refresh takes too long; it goes on")}
	}
}

// fly returns the flight under way, or starts one for t if that makes sense now.
func (s *Session) fly(ctx context.Context, t Target) (*flight, error) {
	now, st := s.m.now(), s.state.Load()
	if st.Ended != "" {
		return nil, s.ended(now, st)
	}
	if st.Grant.RefreshToken == "" {
		if st.Grant.Access[Target{}].Holds(now) {
			return nil, &RefreshError{Class: BadTarget, Err: errNoRefreshToken}
		}
		if err := s.End(ctx, TokenExpired); err != nil {
			return nil, err
		}
		return nil, s.ended(now, s.state.Load())
	}
	if err := s.obstacle(st, now, t, false); err != nil {
		return nil, err
	}
	return s.launch(ctx, &flight{target: t})
}

// obstacle is why no flight for t should start now, nil if one may, or if one is under way,
// here or in another process: that one's end decides, and not what went wrong before it.
func (s *Session) obstacle(st *State, now time.Time, t Target, forced bool) error {
	s.mu.Lock()
	aloft := s.flight != nil
	s.mu.Unlock()
	if aloft || s.held(st, now) {
		return nil
	}
	return st.hindrance(s.m.terms().LostAnswer, now, t, forced)
}

// launch joins the flight under way, or starts f.
func (s *Session) launch(ctx context.Context, f *flight) (*flight, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.flight != nil {
		return s.flight, nil
	}
	if b := s.blocked[f.target]; b != nil {
		if b.until.IsZero() || s.m.now().Before(b.until) {
			return nil, b.err
		}
		delete(s.blocked, f.target)
	}
	if !s.m.flights.begin() {
		return nil, &RefreshError{Class: Transient, RetryAfter: time.Second, Err: errors.New("the gateway is shutting down")}
	}
	f.done = make(chan struct{})
	s.flight = f
	own, part := s.m.part(context.WithoutCancel(ctx), "refresh")
	f.part = part
	go func() {
		defer s.m.flights.end()
		f.at, f.err = s.refresh(own, f)
		part.End(f.err)
		s.mu.Lock()
		s.flight = nil
		s.mu.Unlock()
		close(f.done)
	}()
	return f, nil
}

// refresh is the flight: read → fresh already? → lease → provider, once → store → claims.
func (s *Session) refresh(ctx context.Context, f *flight) (AccessToken, error) {
	for {
		if err := s.reload(ctx); err != nil {
			return AccessToken{}, err
		}
		now, st := s.m.now(), s.State()
		if st.Ended != "" {
			return AccessToken{}, s.ended(now, st)
		}
		if at, ok := f.already(s, st, now); ok {
			return at, nil
		}
		g, err := s.mayPresent(ctx, f, st, now)
		if errors.Is(err, errHeld) {
			if err := s.m.flights.pause(ctx, leasePoll); err != nil {
				return AccessToken{}, &RefreshError{Class: Transient, RetryAfter: time.Second, Err: err}
			}
			continue
		}
		if err != nil {
			return AccessToken{}, err
		}
		at, err := s.present(ctx, f, g)
		if !errors.Is(err, errOvertaken) {
			return at, err
		}
	}
}

// already reports whether another flight, here or elsewhere, has done the work.
func (f *flight) already(s *Session, st *State, now time.Time) (AccessToken, bool) {
	at := st.Grant.Access[f.target]
	if st.Outdated != upToDate {
		return at, false
	}
	if f.forced {
		return at, st.Grant.Generation > f.since && at.Holds(now)
	}
	if f.refused != "" {
		return at, at.Token != f.refused && at.Holds(now)
	}
	return at, at.Holds(now) && !at.Due(now, s.window(at))
}

// mayPresent returns the grant whose refresh token this flight presents, and has the lease
// for it. Whoever only waits for another process's lease, or may not present it yet, takes
// nothing out of the budget.
func (s *Session) mayPresent(ctx context.Context, f *flight, st *State, now time.Time) (*Grant, error) {
	if st.Attempt != nil {
		clock, err := s.m.leaseNow(ctx)
		if err != nil {
			return nil, err
		}
		if s.held(st, clock) {
			return nil, errHeld
		}
	}
	if err := st.hindrance(s.m.terms().LostAnswer, now, f.target, f.forced); err != nil {
		return nil, err
	}
	if err := s.admit(ctx, f, st, now); err != nil {
		return nil, err
	}
	return s.lease(ctx, f)
}

// admit lets a flight go to the provider when the breaker and the budget say so. Who has a
// token that holds stands back for those who have none.
func (s *Session) admit(ctx context.Context, f *flight, st *State, now time.Time) error {
	if err := s.m.breaker.allow(); err != nil {
		return err
	}
	line, cancel := context.WithTimeout(ctx, s.m.terms().Wait)
	defer cancel()
	err := s.m.budget.Load().take(line, st.Grant.Subject, f.forced || f.refused != "" || !st.Grant.Access[f.target].Holds(now))
	if errors.Is(err, errNotNow) {
		s.stoodBack.Store(now.Add(standBackFor).UnixNano())
	}
	return err
}

// mayHurry reports whether it makes sense to start a flight that nobody waits for.
func (s *Session) mayHurry(now time.Time) bool {
	return now.UnixNano() >= s.stoodBack.Load() && !s.m.breaker.shut(now)
}

// present presents the refresh token and deals with the answer. The error is errOvertaken
// if the answer counts for nothing, since another process was quicker.
func (s *Session) present(ctx context.Context, f *flight, g *Grant) (AccessToken, error) {
	again := s.State().Trouble.lost()
	renewal, err := s.ask(ctx, g, f.target)
	failed := failureOf(err)
	if failed != nil && failed.Class == Unknown && renewal == nil && !again && s.retriesAtOnce(f.target) {
		if g, err = s.retake(ctx, g, failed); err != nil {
			return AccessToken{}, err
		}
		renewal, err = s.ask(ctx, g, f.target)
		failed = failureOf(err)
	}
	if failed == nil && (renewal == nil || renewal.Access.Token == "") {
		failed = &RefreshError{Class: Transient, Err: errors.New("no access token and no error")}
	}
	var at AccessToken
	if renewal != nil {
		at = renewal.Access.plausible(s.State().bound())
		if g, err = s.store(ctx, f, g, renewal, at, failed == nil); err != nil {
			return AccessToken{}, err
		}
	}
	if failed != nil {
		return AccessToken{}, s.fail(ctx, f, g, failed)
	}
	return at, s.identify(ctx, f, g, renewal.IDToken)
}

// retriesAtOnce reports whether the one more try after a lost answer is made now: the
// provider forgives it, or there is nothing else at hand.
func (s *Session) retriesAtOnce(t Target) bool {
	return s.m.terms().LostAnswer == RetryAtOnce || !s.State().Grant.Access[t].Holds(s.m.now())
}

// failureOf is the failure that a Refresher reports; nil if it reports none.
func failureOf(err error) *RefreshError {
	if err == nil {
		return nil
	}
	if failed, ok := errors.AsType[*RefreshError](err); ok {
		return failed
	}
	return &RefreshError{Class: Transient, Err: err}
}

// ask calls the provider once.
func (s *Session) ask(ctx context.Context, g *Grant, t Target) (*Renewal, error) {
	call, cancel := context.WithTimeout(ctx, s.m.terms().Exchange)
	defer cancel()
	began := s.m.cfg.Now()
	renewal, err := s.m.terms().Refresher.Refresh(call, g, t)
	e := Event{Kind: Refreshed, Outcome: "ok", Took: s.m.cfg.Now().Sub(began), Err: err}
	failed := failureOf(err)
	if failed != nil {
		e.Outcome = failed.Class.String()
	}
	s.m.breaker.heard(failed)
	s.tell(ctx, e)
	return renewal, err
}

// fail decides what a refused or failed presentation means for the session.
func (s *Session) fail(ctx context.Context, f *flight, g *Grant, failed *RefreshError) error {
	if failed.Class == Refused || failed.Class == Denied {
		return s.refused(ctx, f, g, failed)
	}
	if failed.Class.ofTarget(f.target) {
		s.block(f.target, failed)
	}
	if err := s.noteFailure(ctx, f, g, failed); err != nil {
		return err
	}
	if t := s.State().Trouble; t != nil {
		return t.wrap(s.m.now(), failed)
	}
	return failed
}

// block keeps flights for t from starting, for a while or, where only the user can help,
// until Refresh.
func (s *Session) block(t Target, failed *RefreshError) {
	b := &blocked{err: failed}
	if failed.Class != Interaction {
		b.until = s.m.now().Add(blockedFor)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.blocked == nil {
		s.blocked = make(map[Target]*blocked)
	}
	s.blocked[t] = b
}

// refused ends the session, once. If the record holds another refresh token than the one
// that was refused, somebody was quicker and theirs is good.
func (s *Session) refused(ctx context.Context, f *flight, g *Grant, failed *RefreshError) error {
	// Until this is written, the next flight would present the refused token again.
	err := s.insist(ctx, f, func() error {
		_, err := s.end(ctx, func(st *State) Reason {
			switch {
			case st.Grant.RefreshToken != g.RefreshToken:
				return ""
			case failed.Class == Denied:
				return AccessDenied
			case st.Trouble.lost():
				return OutcomeLost
			}
			return TokenRefused
		})
		return err
	})
	if err != nil {
		return err
	}
	st := s.State()
	if st.Ended == "" {
		return errOvertaken
	}
	s.m.log.InfoContext(ctx, "the provider refused the refresh token; the session is over", "session", s.id.String(), "reason", string(st.Ended), "code", failed.Code, "err", failed.Err)
	return s.ended(s.m.now(), st)
}

// backoff is the pause after n failures in a row: half of it certain, half by chance, from
// half a second doubling to five.
func backoff(n int) time.Duration {
	d := min(time.Second/2<<min(n-1, 8), 5*time.Second)
	return d/2 + rand.N(d/2) //nolint:gosec // jitter is no secret
}
