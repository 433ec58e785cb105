package session

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// flight is the one refresh of a session that all who wait for it share. It belongs to
// the manager: it runs on its own context, and a caller may leave but never cancel it.
type flight struct {
	target Target
	forced bool
	since  uint64 // the grant's generation when the flight was asked for

	away atomic.Pointer[StoreError] // why the answer cannot be stored, while it cannot

	done chan struct{} // closed when at and err are set
	at   AccessToken
	err  error
}

// blocked is a target that the provider refused to serve, for a while.
type blocked struct {
	until time.Time
	err   error
}

// Times of a refresh.
const (
	forcedEvery = 5 * time.Second // least time between two calls of Session.Refresh
	blockedFor  = time.Minute     // a target that the provider refused
	longestWait = 5 * time.Minute // of what a provider may ask for
	leasePoll   = 50 * time.Millisecond
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
	if at.Due(now, s.window(at)) && st.Grant.RefreshToken != "" && st.mayRetry(now) && st.Attempt == nil && !st.Trouble.lost() {
		// Whatever comes of it, the token at hand is good for this request.
		_, _ = s.fly(ctx, t)
	}
	return at, nil
}

// Refresh refreshes now, whatever the token's age: new roles, new claims. It is let
// through once in five seconds; beyond that it fails with a *ThrottledError.
func (s *Session) Refresh(ctx context.Context) error {
	if err := s.alive(ctx, s.m.now()); err != nil {
		return err
	}
	if err := s.throttle(); err != nil {
		return err
	}
	now, st := s.m.now(), s.State()
	if st.Grant.RefreshToken == "" {
		return &RefreshError{Class: Interaction, Err: errors.New("the provider gave no refresh token")}
	}
	if st.Trouble != nil && st.Trouble.Class != Interaction && !st.mayRetry(now) {
		return st.Trouble.err(now)
	}
	f, err := s.launch(ctx, &flight{forced: true})
	if err != nil {
		return err
	}
	_, err = s.wait(ctx, f, time.After(s.m.cfg.Wait))
	return err
}

func (s *Session) throttle() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.m.now()
	if left := forcedEvery - now.Sub(s.forced); left > 0 {
		return &ThrottledError{left}
	}
	s.forced = now
	return nil
}

// window is how long before its end a token is refreshed. Each session has its own, up to
// a fifth shorter, so that those who logged in together do not refresh together.
func (s *Session) window(t AccessToken) time.Duration {
	if !t.Expiry.Before(s.state.Load().Deadline) {
		return 0 // the token outlives the session
	}
	w := min(s.m.cfg.BeforeExpiry, t.Expiry.Sub(t.Issued)/5)
	return w - w*time.Duration(s.id[0])/(5*256)
}

// await waits for a token for t, over as many flights as stand before it.
func (s *Session) await(ctx context.Context, t Target) (AccessToken, error) {
	late := time.NewTimer(s.m.cfg.Wait)
	defer late.Stop()
	for {
		f, err := s.fly(ctx, t)
		if err != nil {
			return AccessToken{}, err
		}
		at, err := s.wait(ctx, f, late.C)
		if f.target == t || err != nil {
			return at, err
		}
	}
}

// wait waits for one flight.
func (s *Session) wait(ctx context.Context, f *flight, late <-chan time.Time) (AccessToken, error) {
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
		if err := s.End(ctx, TokenExpired); err != nil {
			return nil, err
		}
		return nil, s.ended(now, s.state.Load())
	}
	if !st.mayRetry(now) {
		return nil, st.Trouble.err(now)
	}
	return s.launch(ctx, &flight{target: t})
}

// launch joins the flight under way, or starts f.
func (s *Session) launch(ctx context.Context, f *flight) (*flight, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.flight != nil {
		return s.flight, nil
	}
	if b := s.blocked[f.target]; b != nil {
		if s.m.now().Before(b.until) {
			return nil, b.err
		}
		delete(s.blocked, f.target)
	}
	if !s.m.flights.begin() {
		return nil, &RefreshError{Class: Transient, RetryAfter: time.Second, Err: errors.New("the gateway is shutting down")}
	}
	f.done, f.since = make(chan struct{}), s.state.Load().Grant.Generation
	s.flight = f
	own := context.WithoutCancel(ctx)
	go func() {
		defer s.m.flights.end()
		f.at, f.err = s.refresh(own, f)
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
		g, err := s.lease(ctx)
		var held *heldError
		switch {
		case errors.As(err, &held):
			if err := pause(ctx, leasePoll); err != nil {
				return AccessToken{}, err
			}
			continue
		case err != nil:
			return AccessToken{}, err
		}
		return s.present(ctx, f, g)
	}
}

// already reports whether another flight, here or elsewhere, has done the work.
func (f *flight) already(s *Session, st *State, now time.Time) (AccessToken, bool) {
	at := st.Grant.Access[f.target]
	if f.forced {
		return at, st.Grant.Generation > f.since
	}
	return at, at.Holds(now) && !at.Due(now, s.window(at))
}

// heldError says that another process presents the refresh token just now.
type heldError struct{ until time.Time }

func (e *heldError) Error() string { return "session: leased until " + e.until.String() }

// lease notes in the record that this process presents the refresh token from now on:
// the write-ahead of the exchange. It returns the grant as it was at that moment.
func (s *Session) lease(ctx context.Context) (*Grant, error) {
	st, err := s.change(ctx, func(st *State) error {
		now := s.m.now()
		if st.Ended != "" {
			return s.ended(now, st)
		}
		if a := st.Attempt; a != nil {
			if a.Holder != s.m.holder && !s.m.cfg.SoleOwner && now.Before(a.Until) {
				return &heldError{a.Until}
			}
			// Somebody presented this token and never came back to say what happened.
			st.Trouble = st.Trouble.unanswered()
		}
		// Longer than two calls may take: nobody may take over while this flight lives.
		st.Attempt = &Attempt{Holder: s.m.holder, Began: now, Until: now.Add(2*s.m.cfg.Exchange + 10*time.Second)}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &st.Grant, nil
}

// present presents the refresh token and deals with the answer.
func (s *Session) present(ctx context.Context, f *flight, g *Grant) (AccessToken, error) {
	again := s.State().Trouble.lost()
	renewal, err := s.ask(ctx, g, f.target)
	var failed *RefreshError
	if errors.As(err, &failed) && failed.Class == Unknown && renewal == nil && !again && !s.holds(f.target) {
		// The answer is lost and nothing else is at hand. Leeways count from the moment
		// in which the provider rotated, so the one more try is made at once.
		if noted := s.noteTrouble(ctx, failed); noted != nil {
			return AccessToken{}, noted
		}
		if g, err = s.lease(ctx); err != nil {
			return AccessToken{}, err
		}
		renewal, err = s.ask(ctx, g, f.target)
	}
	if renewal != nil {
		at, kept := s.keep(ctx, f, g, renewal, err)
		if kept != nil || err == nil {
			return at, kept
		}
	}
	if !errors.As(err, &failed) {
		failed = &RefreshError{Class: Transient, Err: err}
	}
	return AccessToken{}, s.fail(ctx, f, g, failed)
}

// ask calls the provider once.
func (s *Session) ask(ctx context.Context, g *Grant, t Target) (*Renewal, error) {
	call, cancel := context.WithTimeout(ctx, s.m.cfg.Exchange)
	defer cancel()
	began := s.m.now()
	renewal, err := s.m.cfg.Refresher.Refresh(call, g, t)
	e := Event{Kind: Refreshed, ID: s.id, Subject: g.Subject, Outcome: "ok", Took: s.m.now().Sub(began), Err: err}
	var failed *RefreshError
	switch {
	case errors.As(err, &failed):
		e.Outcome = failed.Class.String()
	case err != nil:
		e.Outcome = Transient.String()
	}
	s.m.observe(e)
	return renewal, err
}

// holds reports whether the token at hand for t can still be used.
func (s *Session) holds(t Target) bool {
	return s.State().Grant.Access[t].Holds(s.m.now())
}

// keep stores what the provider gave, before anything else that may fail, and then looks
// at the ID token. failed is the error that came beside the renewal, if any.
func (s *Session) keep(ctx context.Context, f *flight, g *Grant, r *Renewal, failed error) (AccessToken, error) {
	at := r.Access.plausible(s.State().Deadline)
	if err := s.store(ctx, f, g, r, at, failed == nil); err != nil {
		return AccessToken{}, err
	}
	if failed != nil {
		return AccessToken{}, nil
	}
	if r.IDToken != "" {
		if err := s.identify(ctx, g, r.IDToken); err != nil {
			return AccessToken{}, err
		}
	}
	return at, nil
}

// store writes the new tokens. The provider has forgotten the old ones, so a store that
// fails is asked again until it takes them; meanwhile everybody waits or is told 503.
func (s *Session) store(ctx context.Context, f *flight, g *Grant, r *Renewal, at AccessToken, good bool) error {
	write := func(st *State) error {
		if st.Ended != "" {
			// Signed out meanwhile: what came home is revoked like the rest.
			if r.RefreshToken == "" || s.m.cfg.KeepTokens {
				return s.ended(s.m.now(), st)
			}
			st.outbox(s.m.now(), r.RefreshToken)
			return nil
		}
		if st.Grant.Generation != g.Generation {
			return errUnchanged // somebody else won; what they stored is newer
		}
		st.Attempt = nil
		st.Grant.Generation++
		if r.RefreshToken != "" {
			st.Grant.RefreshToken = r.RefreshToken
		}
		if good {
			st.Trouble = nil
			access := make(map[Target]AccessToken, len(st.Grant.Access)+1)
			for target, t := range st.Grant.Access {
				access[target] = t
			}
			access[f.target] = at
			st.Grant.Access = access
		}
		return nil
	}
	for try := 1; ; try++ {
		st, err := s.change(ctx, write)
		var away *StoreError
		switch {
		case errors.As(err, &away):
			f.away.Store(away)
			s.m.log.ErrorContext(ctx, "a new refresh token could not be stored; trying again", "session", s.id.String(), "try", try, "err", err)
			if gone := s.m.flights.pause(ctx, min(time.Duration(try)*100*time.Millisecond, time.Second)); gone != nil {
				return err
			}
		case errors.Is(err, errUnchanged):
			return nil
		case err != nil:
			return err
		case st.Ended != "":
			s.m.outbox.wake()
			return s.ended(s.m.now(), st)
		default:
			return nil
		}
	}
}

// identify puts the claims of a refreshed ID token in the place of the old ones, or ends
// the session if they are somebody else's.
func (s *Session) identify(ctx context.Context, g *Grant, idToken Token) error {
	call, cancel := context.WithTimeout(ctx, s.m.cfg.Exchange)
	defer cancel()
	who, err := s.m.cfg.Refresher.Verify(call, g, idToken)
	if errors.Is(err, ErrIdentity) {
		s.m.log.ErrorContext(ctx, "security: a refresh brought another identity; the session ends", "session", s.id.String(), "err", err)
		if err := s.End(ctx, NotSameUser); err != nil {
			return err
		}
		return s.ended(s.m.now(), s.State())
	}
	if err != nil {
		s.m.log.WarnContext(ctx, "a refreshed ID token cannot be used; the old claims stay", "session", s.id.String(), "err", err)
		return nil
	}
	_, err = s.change(ctx, func(st *State) error {
		if st.Ended != "" {
			return s.ended(s.m.now(), st)
		}
		st.Grant.IDToken, st.Grant.Claims = who.IDToken, who.Claims
		st.Grant.AuthTime, st.Grant.ACR = who.AuthTime, who.ACR
		if who.ProviderSession != "" {
			st.Grant.ProviderSession = who.ProviderSession
		}
		return nil
	})
	var away *StoreError
	if errors.As(err, &away) {
		s.m.log.WarnContext(ctx, "new claims could not be stored; the old ones stay", "session", s.id.String(), "err", err)
		return nil
	}
	return err
}

// fail decides what a refused or failed presentation means for the session.
func (s *Session) fail(ctx context.Context, f *flight, g *Grant, failed *RefreshError) error {
	switch failed.Class {
	case Refused, Denied:
		return s.refused(ctx, f, g, failed)
	case BadScope, BadTarget:
		s.mu.Lock()
		if s.blocked == nil {
			s.blocked = make(map[Target]*blocked)
		}
		s.blocked[f.target] = &blocked{until: s.m.now().Add(blockedFor), err: failed}
		s.mu.Unlock()
	}
	if err := s.noteTrouble(ctx, failed); err != nil {
		return err
	}
	if t := s.State().Trouble; t != nil {
		return t.wrap(s.m.now(), failed)
	}
	return failed
}

// refused ends the session, once, after another look: if the record holds another refresh
// token than the one that was refused, somebody was quicker and theirs is good.
func (s *Session) refused(ctx context.Context, f *flight, g *Grant, failed *RefreshError) error {
	if err := s.reload(ctx); err != nil {
		return err
	}
	st := s.State()
	if st.Ended == "" && st.Grant.RefreshToken != g.RefreshToken {
		return &RefreshError{Class: Transient, RetryAfter: time.Second, Err: errors.New("another process refreshed meanwhile")}
	}
	why := TokenRefused
	switch {
	case failed.Class == Denied:
		why = AccessDenied
	case st.Trouble.lost():
		why = OutcomeLost
	}
	s.m.log.InfoContext(ctx, "the provider refused the refresh token; the session ends", "session", s.id.String(), "reason", string(why), "code", failed.Code, "err", failed.Err)
	if err := s.End(ctx, why); err != nil {
		return err
	}
	return s.ended(s.m.now(), s.State())
}

// noteTrouble takes the lease back and writes down what happened, so that nobody, here or
// elsewhere, repeats it before its time.
func (s *Session) noteTrouble(ctx context.Context, failed *RefreshError) error {
	_, err := s.change(ctx, func(st *State) error {
		now := s.m.now()
		if st.Ended != "" {
			return s.ended(now, st)
		}
		if st.Attempt != nil && st.Attempt.Holder == s.m.holder {
			st.Attempt = nil
		}
		if failed.Class == BadScope || failed.Class == BadTarget {
			return nil // a route's trouble, not the session's
		}
		st.Trouble = st.Trouble.after(now, failed)
		return nil
	})
	return err
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("session: waiting: %w", ctx.Err())
	}
}

// backoff is the pause after n failures in a row: half of it certain, half by chance, from
// half a second doubling to five.
func backoff(n int) time.Duration {
	d := min(time.Second/2<<min(n-1, 8), 5*time.Second)
	return d/2 + rand.N(d/2)
}
