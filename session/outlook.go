package session

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Outlook says what a call for a token would come to at this moment, for an operator who
// wants to know why a request fares as it does. It holds no token, and nothing comes of it:
// no refresh begins, no session ends, nothing is written.
type Outlook struct {
	Step Step

	// Held says that there is a token at hand that can be used. Scope and Expiry are those of
	// the last token, whether it is held or not; a zero Expiry means that no end is known.
	Held   bool
	Scope  string
	Expiry time.Time

	// InLine says that the budget for the provider is spent: the call would stand in line.
	InLine bool

	// Err is why there would be no token (Fails), or why a refresh that is due does not begin
	// (Postponed); else nil.
	Err error
}

// Step is what would be done for a token.
type Step string

// The steps.
const (
	Fresh      Step = "fresh"      // the token at hand is used
	Background Step = "background" // it is used, and a refresh begins beside
	UnderWay   Step = "under_way"  // it is used, and a refresh is under way beside
	Postponed  Step = "postponed"  // it is used; a refresh is due, and does not begin yet
	Waits      Step = "waits"      // a refresh begins, and the call waits for it
	Joins      Step = "joins"      // the call waits for the refresh that is under way
	Fails      Step = "fails"      // there is no token
)

// Peek is Open without consequences: a session whose limit has come is not ended by it. The
// errors are those of Open; beside an *EndedError there is the session.
func (m *Manager) Peek(ctx context.Context, ticket string) (*Session, error) {
	id, err := m.tickets.Load().open(ticket)
	if err != nil {
		return nil, fmt.Errorf("the ticket is too old, or opens under no key of the ring: %w", err)
	}
	s, err := m.Get(ctx, id)
	if errors.Is(err, ErrNoSession) {
		return nil, fmt.Errorf("the store has no record of it any more: %w", err)
	}
	if err != nil {
		return nil, err
	}
	if err := s.current(ctx); err != nil {
		return nil, err
	}
	if !s.lives(m.now()) && s.State().Ended == "" {
		// Another process may have seen its user since.
		if err := s.reload(ctx); err != nil {
			return nil, err
		}
	}
	return s, s.verdict(m.now())
}

// verdict is nil while the session lives at now; a limit that has come ends it for whoever
// asks next.
func (s *Session) verdict(now time.Time) error {
	st := s.state.Load()
	if st.Ended != "" {
		return s.ended(now, st)
	}
	if why := st.limit(now, s.Seen(), s.m.terms().IdleTimeout); why != "" {
		return &EndedError{why, s.id}
	}
	return nil
}

// Foresee says what Token would come to.
func (s *Session) Foresee(t Target) Outlook {
	now, st := s.m.now(), s.state.Load()
	at := st.Grant.Access[t]
	o := outlookOn(at, now)
	switch err := s.verdict(now); {
	case err != nil:
		o.Step, o.Err = Fails, err
	case !o.Held:
		s.foreseeWait(&o, st, now, t)
	case at.Due(now, s.window(at)) && st.Grant.RefreshToken != "":
		s.foreseeBeside(&o, st, now, t)
	}
	return o
}

// outlookOn is that of a token that nobody has to do anything for.
func outlookOn(at AccessToken, now time.Time) Outlook {
	return Outlook{Step: Fresh, Held: at.Holds(now), Scope: at.Scope, Expiry: at.Expiry}
}

// foreseeWait is for a call without a token that holds, as fly is.
func (s *Session) foreseeWait(o *Outlook, st *State, now time.Time, t Target) {
	aloft, blocked := s.aloft(st, now, t)
	switch {
	case st.Grant.RefreshToken == "" && st.Grant.Access[Target{}].Holds(now):
		o.Step, o.Err = Fails, &RefreshError{Class: BadTarget, Err: errNoRefreshToken}
	case st.Grant.RefreshToken == "":
		o.Step, o.Err = Fails, &EndedError{TokenExpired, s.id}
	case aloft:
		o.Step = Joins
	default:
		o.Step, o.Err = Waits, blocked
		if hindrance := st.hindrance(s.m.terms().LostAnswer, now, t, false); hindrance != nil {
			o.Err = hindrance
		}
		s.m.foreseeProvider(o, now)
	}
}

// foreseeBeside is for a call with a token that holds and is due.
func (s *Session) foreseeBeside(o *Outlook, st *State, now time.Time, t Target) {
	aloft, blocked := s.aloft(st, now, t)
	o.Step = Background
	switch hindrance := st.hindrance(s.m.terms().LostAnswer, now, t, false); {
	case aloft || st.Attempt != nil:
		o.Step = UnderWay
		return
	case hindrance != nil:
		o.Err = hindrance
	case blocked != nil:
		o.Err = blocked
	case now.UnixNano() < s.stoodBack.Load():
		o.Err = errNotNow
	default:
		o.Err = s.m.breaker.answer(now)
	}
	if o.InLine = !s.m.budget.Load().free(); o.InLine && o.Err == nil {
		o.Err = errNotNow
	}
	if o.Err != nil {
		o.Step = Postponed
	}
}

// aloft reports whether a refresh is under way, here or in another process, and why the
// provider is not asked for t; nil if it may be.
func (s *Session) aloft(st *State, now time.Time, t Target) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.flight != nil || s.held(st, now) {
		return true, nil
	}
	if b := s.blocked[t]; b != nil && (b.until.IsZero() || now.Before(b.until)) {
		return false, b.err
	}
	return false, nil
}

// foreseeProvider adds to a wait what breaker and budget say.
func (m *Manager) foreseeProvider(o *Outlook, now time.Time) {
	if o.Err == nil {
		o.Err = m.breaker.answer(now)
	}
	if o.InLine = !m.budget.Load().free(); o.Err != nil {
		o.Step = Fails
	}
}

// ForeseeExchanged says what ExchangedToken would come to.
func (s *Session) ForeseeExchanged(t Target) Outlook {
	if s.m.terms().Issuer == nil {
		return Outlook{Step: Fails, Err: errNoIssuer}
	}
	if err := s.verdict(s.m.now()); err != nil {
		return Outlook{Step: Fails, Err: err}
	}
	s.mu.Lock()
	p := s.exchanges[t]
	s.mu.Unlock()
	o := s.m.foreseeSupply(p)
	if subject := s.Foresee(Target{}); o.Step == Waits && subject.Step == Fails {
		o.Step, o.Err = Fails, subject.Err // there is nothing to trade
	}
	if !t.Actor || o.Step != Waits {
		return o
	}
	if actor := s.m.ForeseeClientToken(Target{}); actor.Step == Fails {
		o.Step, o.Err = Fails, actor.Err // there is nobody to act
	}
	return o
}

// ForeseeClientToken says what ClientToken would come to.
func (m *Manager) ForeseeClientToken(t Target) Outlook {
	if m.terms().Issuer == nil {
		return Outlook{Step: Fails, Err: errNoIssuer}
	}
	m.clients.mu.RLock()
	p := m.clients.kinds[t]
	m.clients.mu.RUnlock()
	return m.foreseeSupply(p)
}

// foreseeSupply is for a token of a supply, which nobody may have asked for yet.
func (m *Manager) foreseeSupply(p *supply) Outlook {
	now := m.now()
	if p == nil {
		o := Outlook{Step: Waits}
		m.foreseeProvider(&o, now)
		return o
	}
	var at AccessToken
	if last := p.at.Load(); last != nil {
		at = *last
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	o := outlookOn(at, now)
	due := !o.Held || at.Due(now, m.terms().BeforeExpiry)
	switch {
	case !due:
		return o
	case p.order != nil && o.Held:
		o.Step = UnderWay
		return o
	case p.order != nil:
		o.Step = Joins
		return o
	case p.failed != nil && now.Before(p.notBefore):
		o.Err = p.failed
	case o.Held && now.Before(p.hurry):
		o.Err = errNotNow
	}
	o.Step = Waits
	m.foreseeProvider(&o, now)
	if o.Held {
		o.Step = Background
		if o.Err != nil {
			o.Step = Postponed
		}
	}
	return o
}

// ProviderRefused returns what the provider's breaker answers at this moment to whoever would
// ask the provider for a token; nil if he may. It lets nobody through.
func (m *Manager) ProviderRefused() error { return m.breaker.answer(m.now()) }
