package session

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Manager keeps sessions. It is safe for concurrent use.
type Manager struct {
	cfg      Config // of it, Store, CacheBytes, Observe, Tracer, Log and Now never change; the rest is in terms
	log      *slog.Logger
	holder   string                  // names this process in a lease
	inForce  atomic.Pointer[Config]  // Reconfigure puts another in its place
	tickets  atomic.Pointer[tickets] // with the keyring
	cache    *cache
	activity activity
	outbox   outbox
	backlog  backlog
	flights  flights
	clients  clientTokens
	memory   memory
	breaker  *breaker
	budget   atomic.Pointer[budget]
	logins   logins
	tally    tally

	alarmed atomic.Int64 // unix nanoseconds of the last alarm
}

// New returns a Manager. Run must be running for activity and revocations to be written.
func New(cfg Config) (*Manager, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	m := &Manager{cfg: cfg, log: cfg.Log, holder: rand.Text()}
	m.inForce.Store(&cfg)
	tickets, err := newTickets(cfg.Keys, cfg.AbsoluteTimeout+tombstoneFor)
	if err != nil {
		return nil, err
	}
	m.tickets.Store(tickets)
	if m.cache, err = newCache(cfg.CacheBytes); err != nil {
		return nil, err
	}
	m.outbox.init()
	m.flights.init()
	m.tally.init()
	m.breaker, m.logins.now = &breaker{now: m.now}, m.now
	m.budget.Store(newBudget(cfg.Rate, m.now))
	m.logins.allow(cfg.Rate)
	m.watch()
	return m, nil
}

// revokes reports whether the refresh token of a session that ends for this reason is
// revoked.
func (m *Manager) revokes(why Reason) bool {
	switch why {
	case TokenRefused:
		return false // it is dead; asking the provider to kill it helps nobody
	case NotSameUser:
		return true // it is not ours to keep
	}
	return !m.terms().KeepTokens
}

// Run writes activity in batches, ends sessions whose limit has come and revokes what
// ended, until ctx ends. Then it writes what activity is left and returns nil.
func (m *Manager) Run(ctx context.Context) error {
	var loops sync.WaitGroup
	loops.Go(func() { m.runActivity(ctx) })
	loops.Go(func() { m.runDue(ctx) })
	loops.Go(func() { m.runMemory(ctx) })
	loops.Go(func() { m.runCount(ctx) })
	loops.Wait()
	return nil
}

// Close lets no new flight start and waits for those under way, until ctx ends. Call it
// after the last request has been served and before the store is closed.
func (m *Manager) Close(ctx context.Context) error { return m.flights.close(ctx) }

// Misconfigured returns what the provider said when it last refused the gateway itself
// (invalid_client and its kin), nil if it has accepted it since. It forgets after a minute
// without an attempt: a gateway that gets no traffic because of it would never hear that
// somebody has mended it.
func (m *Manager) Misconfigured() error { return m.breaker.misconfigured() }

// Start describes a login that succeeded.
type Start struct {
	Grant  Grant
	Device Device
	// Replaces names the browser's old session; zero if it had none. It ends. If it is
	// the same issuer's same subject, the new session continues it: its beginning and
	// its absolute limit stay.
	Replaces ID
}

// Begin stores a new session and returns it with its ticket, the cookie value. The ticket
// never changes. It fails with a *StoreError if the store, or the record of the session
// that is replaced, is not to be had, and with an *EndedError if the provider has ended
// meanwhile what the login began; then the old session stays as it was.
func (m *Manager) Begin(ctx context.Context, start Start) (*Session, string, error) {
	now := m.now()
	st := &State{
		Grant: start.Grant, Device: start.Device, Proof: rand.Text(),
		Created: now, Seen: now, Deadline: now.Add(m.terms().AbsoluteTimeout),
	}
	old, err := m.replaced(ctx, start.Replaces)
	if err != nil {
		return nil, "", err
	}
	goesOn := old != nil && continues(&start.Grant, old.State(), now)
	if goesOn {
		st.Created, st.Deadline = old.State().Created, old.State().Deadline
	} else if st.Created, err = m.beginsAt(ctx, &st.Grant, now); err != nil {
		return nil, "", err
	}
	st.Grant.Access = make(map[Target]AccessToken, len(start.Grant.Access))
	for target, t := range start.Grant.Access {
		st.Grant.Access[target] = t.plausible(st.bound())
	}
	ticket, id, err := m.tickets.Load().issue()
	if err != nil {
		return nil, "", err
	}
	r, err := m.sealed(st, id)
	if err != nil {
		return nil, "", err
	}
	if err := m.cfg.Store.Create(ctx, r); err != nil {
		return nil, "", &StoreError{err}
	}
	st.version = 1
	s := m.adopt(id, st, moment{mark: justMade})
	began := Event{Kind: Began}
	if goesOn {
		began.Continues = old.id
	}
	s.tell(ctx, began)
	if err := m.refuse(ctx, s); err != nil {
		return nil, "", err
	}
	if old != nil {
		m.replace(ctx, old, s, goesOn)
	}
	if m.terms().MaxPerUser > 0 && !goesOn { // what goes on counts as before
		m.makeRoom(ctx, s)
	}
	return s, ticket, nil
}

// replace ends the session in whose place s has come. s stands already: if the old one
// cannot be ended now, its limits end it.
func (m *Manager) replace(ctx context.Context, old, s *Session, goesOn bool) {
	_, err := old.end(ctx, func(st *State) Reason {
		if goesOn {
			st.Successor = s.id
		}
		return Replaced
	})
	if err != nil {
		m.log.WarnContext(ctx, "the browser's old session could not be ended", "session", old.id.String(), "err", err)
		return
	}
	if goesOn {
		s.inherit(old) // also if somebody ended it before us: its streams are over already
	}
}

// replaced returns the live session with this id, or nil.
func (m *Manager) replaced(ctx context.Context, id ID) (*Session, error) {
	if id.IsZero() {
		return nil, nil
	}
	s, err := m.Get(ctx, id)
	if errors.Is(err, ErrNoSession) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

// continues reports whether a login with grant g goes on with the session st.
func continues(g *Grant, st *State, now time.Time) bool {
	return st.Ended == "" && now.Before(st.bound()) &&
		st.Grant.Issuer == g.Issuer && st.Grant.Subject == g.Subject
}

// Open returns the live session that a ticket names. Memory answers first. The errors are
// ErrNoSession, *EndedError and *StoreError; of a session out of a backup, until the
// provider has taken its refresh token, also those of Token.
func (m *Manager) Open(ctx context.Context, ticket string) (*Session, error) {
	ctx, part := m.part(ctx, "session")
	s, err := m.open(ctx, ticket)
	if _, away := errors.AsType[*StoreError](err); away {
		part.End(err)
	} else {
		part.End(nil) // that there is no session is an answer
	}
	return s, err
}

func (m *Manager) open(ctx context.Context, ticket string) (*Session, error) {
	id, known := m.cache.tickets.GetIfPresent(ticket)
	under := m.tickets.Load()
	if !known {
		var err error
		if id, err = under.open(ticket); err != nil {
			return nil, err
		}
	}
	s, err := m.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	if err := s.current(ctx); err != nil {
		return nil, err
	}
	if !known {
		m.remember(ticket, id, under)
	}
	if err := s.alive(ctx, m.now()); err != nil {
		return nil, err
	}
	if err := s.prove(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// Get returns the session with this id, also one that has ended: State().Ended says so.
// The errors are ErrNoSession and *StoreError.
func (m *Manager) Get(ctx context.Context, id ID) (*Session, error) {
	for {
		if s := m.cache.get(id); s != nil {
			m.tally.lookups.RecordHits(1)
			return s, nil
		}
		m.tally.lookups.RecordMisses(1)
		now := m.moment()
		r, err := m.load(ctx, id)
		if err != nil {
			return nil, err
		}
		st, err := m.unseal(ctx, r)
		if err != nil {
			return nil, err
		}
		if s := m.adopt(id, st, now); s != nil {
			return s, nil
		}
	}
}

// OfSubject returns the live sessions of an issuer's subject, in no order. The error is a
// *StoreError.
func (m *Manager) OfSubject(ctx context.Context, issuer, subject string) ([]*Session, error) {
	return m.find(ctx, func(secret []byte) Key { return subjectKey(secret, issuer, subject) })
}

// OfProviderSession returns the live sessions that came out of one session at the provider,
// by the sid claim of their ID tokens, in no order. The error is a *StoreError.
func (m *Manager) OfProviderSession(ctx context.Context, issuer, sid string) ([]*Session, error) {
	return m.find(ctx, func(secret []byte) Key { return providerSessionKey(secret, issuer, sid) })
}

// find returns the live sessions whose index has the key, under whichever key of the ring
// it was made.
func (m *Manager) find(ctx context.Context, under func(secret []byte) Key) ([]*Session, error) {
	now := m.now()
	found := make(map[ID]*Session)
	// The newest key comes last: a record moves there whenever it is written.
	for _, key := range slices.Backward(m.Keys().keys) {
		began := m.moment()
		records, err := m.cfg.Store.Find(ctx, under(key.index))
		if err != nil {
			return nil, &StoreError{err}
		}
		for _, r := range records {
			s, err := m.follow(ctx, r, began)
			if errors.Is(err, ErrNoSession) {
				continue
			}
			if err != nil {
				return nil, err
			}
			if s.lives(now) {
				found[s.id] = s
			}
		}
	}
	return slices.Collect(maps.Values(found)), nil
}

// follow returns the handle for a record that was read after the moment. The errors are
// ErrNoSession and *StoreError.
func (m *Manager) follow(ctx context.Context, r Record, after moment) (*Session, error) {
	if s := m.cache.get(r.ID); s != nil && s.State().version >= r.Version {
		return s, nil
	}
	st, err := m.unseal(ctx, r)
	if err != nil {
		return nil, err
	}
	if s := m.adopt(r.ID, st, after); s != nil {
		return s, nil
	}
	return m.Get(ctx, r.ID)
}

// load reads a record. The errors are ErrNoSession and *StoreError.
func (m *Manager) load(ctx context.Context, id ID) (Record, error) {
	r, err := m.cfg.Store.Load(ctx, id)
	if errors.Is(err, ErrNotFound) {
		return Record{}, ErrNoSession
	}
	if err != nil {
		return Record{}, &StoreError{err}
	}
	return r, nil
}

// errSealed says that a record was read and cannot be opened.
var errSealed = errors.New("cannot be opened")

// unseal opens a record. Nobody is logged out because a key is missing: the error is a
// *StoreError that wraps errSealed.
func (m *Manager) unseal(ctx context.Context, r Record) (*State, error) {
	st, err := readState(m.Keys(), r)
	if err != nil {
		m.alarm(ctx, r.ID, err)
		return nil, &StoreError{fmt.Errorf("record %s %w: %w", r.ID, errSealed, err)}
	}
	return st, nil
}

// adopt returns the handle for a state that was read after the moment, or nil if it has to
// be read again.
func (m *Manager) adopt(id ID, st *State, after moment) *Session {
	s := m.cache.adopt(&Session{m: m, id: id, life: newLife()}, st, after.mark)
	if s != nil && after.mark != justMade && after.heard != m.memory.heard.Load() {
		s.changed.Store(true) // perhaps it was this one, and nobody knew the handle yet
	}
	return s
}

// moment is when something was read from the store.
type moment struct {
	mark  mark   // in the life of the handles
	heard uint64 // notices of a shared store by then
}

func (m *Manager) moment() moment {
	return moment{m.cache.mark(), m.memory.heard.Load()}
}

// now is the wall clock alone: ends are shared with other processes, and a machine that
// sleeps stops its monotonic clock.
func (m *Manager) now() time.Time { return m.cfg.Now().Round(0) }
