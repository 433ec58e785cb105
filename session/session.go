package session

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// Session is a handle that follows a session's newest State. There is one for each
// session in a process, for as long as anybody holds it. It is safe for concurrent use.
type Session struct {
	m     *Manager
	id    ID
	state atomic.Pointer[State]
	life  *life                   // ended by publish
	heir  atomic.Pointer[Session] // the session that goes on with this one; kept for its end

	seen  atomic.Int64 // unix nanoseconds of the last activity, written down or not
	noted atomic.Bool  // stands in the manager's list of activity to be written

	changed atomic.Bool   // another process may have written the record since
	epoch   atomic.Uint64 // of the manager's memory, when the state was last known to be the newest
	watched atomic.Bool   // a stream waits for what happens to it, so it is read again when it has changed
	queued  atomic.Bool   // stands in the manager's list of sessions to be read again

	stoodBack atomic.Int64 // unix nanoseconds until when no flight starts that nobody waits for

	write sync.Mutex // held while a new State is made and stored

	mu      sync.Mutex
	flight  *flight             // guarded by mu: the refresh under way, nil if none
	forced  time.Time           // guarded by mu: when Refresh was last let through
	blocked map[Target]*blocked // guarded by mu: targets that the provider will not serve

	renewals  map[Target]*renewals // guarded by mu: tokens that were replaced since an API refused them
	exchanges map[Target]*supply   // guarded by mu: tokens that the session's own was traded for
}

// ID returns the name of the session's record.
func (s *Session) ID() ID { return s.id }

// State returns the newest state that this process knows. Read only.
func (s *Session) State() *State { return s.state.Load() }

// Done is closed when the session has ended, for streams. The streams of a session that a
// new login of the same user continues live on, and end with the successor. Whoever waits
// has to hold the Session meanwhile.
func (s *Session) Done() <-chan struct{} {
	s.listen()
	return s.life.done
}

// Seen returns the time of the last activity, written down or not.
func (s *Session) Seen() time.Time { return time.Unix(0, s.seen.Load()) }

// Touch notes activity, in memory; Manager.Run writes it.
func (s *Session) Touch() {
	now, st := s.m.now(), s.state.Load()
	s.saw(now)
	if st.Ended == "" && now.Sub(st.Seen) >= s.m.activityEvery() && s.noted.CompareAndSwap(false, true) {
		s.m.activity.add(s)
	}
}

// saw moves the time of the last activity forward, never back.
func (s *Session) saw(at time.Time) {
	n := at.UnixNano()
	for old := s.seen.Load(); n > old && !s.seen.CompareAndSwap(old, n); {
		old = s.seen.Load()
	}
}

// IdleTimeout is how long the session lives without activity.
func (s *Session) IdleTimeout() time.Duration { return s.m.terms().IdleTimeout }

// Limits returns what is left at this moment: until the session ends if nobody uses it,
// and until it ends whatever happens. Neither is negative.
func (s *Session) Limits() (idle, absolute time.Duration) {
	now, st := s.m.now(), s.state.Load()
	if st.Ended != "" {
		return 0, 0
	}
	idle = st.idleAt(s.Seen(), s.m.terms().IdleTimeout).Sub(now)
	return max(idle, 0), max(st.bound().Sub(now), 0)
}

// NextLimit returns which limit ends the session if nobody uses it from now on: IdleLimit,
// AbsoluteLimit or ProviderLimit.
func (s *Session) NextLimit() Reason {
	st, seen, idle := s.state.Load(), s.Seen(), s.m.terms().IdleTimeout
	return st.limit(st.idleAt(seen, idle), seen, idle)
}

// alive is nil while the session lives at now; it ends one whose limit has come.
func (s *Session) alive(ctx context.Context, now time.Time) error {
	st := s.state.Load()
	if st.Ended != "" {
		return s.ended(now, st)
	}
	if st.limit(now, s.Seen(), s.m.terms().IdleTimeout) == "" {
		return nil
	}
	return s.endAtLimit(ctx, now)
}

// lives reports whether the session has neither ended nor reached a limit.
func (s *Session) lives(now time.Time) bool {
	st := s.state.Load()
	return st.Ended == "" && st.limit(now, s.Seen(), s.m.terms().IdleTimeout) == ""
}

// endAtLimit ends the session unless it turns out, by the record, that it was used
// elsewhere meanwhile; then it is nil.
func (s *Session) endAtLimit(ctx context.Context, now time.Time) error {
	_, err := s.end(ctx, func(st *State) Reason { return st.limit(now, s.Seen(), s.m.terms().IdleTimeout) })
	if err != nil {
		return err
	}
	if st := s.state.Load(); st.Ended != "" {
		return s.ended(now, st)
	}
	return nil
}

// ended is the answer to whoever asks for a session that is over.
func (s *Session) ended(now time.Time, st *State) error {
	if !now.Before(st.EndedAt.Add(tombstoneFor)) {
		return ErrNoSession
	}
	return &EndedError{st.Ended, s.id}
}

// End ends the session: its record becomes a tombstone, and its refresh token is revoked
// in the background, also over a restart. Ending an ended session is no error. A refresh
// that is under way does not delay it; what it brings home is revoked too. The error is a
// *StoreError.
func (s *Session) End(ctx context.Context, why Reason) error {
	_, err := s.end(ctx, func(*State) Reason { return why })
	return err
}

// end ends the session for the reason that decide sees in the newest state; "" leaves it
// as it is. Decide is asked anew when the record has changed, and may set the Successor.
// It reports whether this call has ended it.
func (s *Session) end(ctx context.Context, decide func(*State) Reason) (bool, error) {
	st, err := s.change(ctx, func(st *State) error {
		if st.Ended != "" {
			return errUnchanged
		}
		why := decide(st)
		if why == "" {
			return errUnchanged
		}
		st.end(s.m.now(), why, s.m.revokes(why))
		return nil
	})
	switch {
	case errors.Is(err, errUnchanged), errors.Is(err, ErrNoSession):
		return false, nil
	case err != nil:
		return false, err
	}
	s.tell(ctx, Event{Kind: Ended, Reason: st.Ended})
	s.m.outbox.wake()
	return true, nil
}

// Expire makes the session's access tokens run out now, as if their time had come. The
// errors are ErrNoSession and *StoreError.
func (s *Session) Expire(ctx context.Context) error {
	_, err := s.change(ctx, func(st *State) error {
		if st.Ended != "" {
			return errUnchanged
		}
		st.expire(s.m.now())
		return nil
	})
	if errors.Is(err, errUnchanged) {
		return nil
	}
	return err
}

// errUnchanged is what the function given to change returns when there is nothing to write.
var errUnchanged = errors.New("session: unchanged")

// errGoneBack says that the store does not have what it once took. To ask again would be
// a loop.
var errGoneBack = errors.New("the record is older than what was written: has the store been restored from a backup?")

// change is the one way to write a session. It gives edit a copy of the newest state and
// stores what edit leaves, if nobody was quicker; else it reads again and asks again. So
// edit may run several times, and must decide anew each time: above all, whether the
// session has ended meanwhile. It changes no map and nothing behind a pointer, for those
// it shares with the state that stands. Its error is returned as it is. The other errors
// are ErrNoSession and *StoreError; after the latter the write may have happened or not.
func (s *Session) change(ctx context.Context, edit func(*State) error) (*State, error) {
	s.write.Lock()
	defer s.write.Unlock()
	for {
		next := *s.state.Load()
		if err := edit(&next); err != nil {
			return nil, err
		}
		r, err := s.m.sealed(&next, s.id)
		if err != nil {
			return nil, err
		}
		err = s.m.cfg.Store.Replace(ctx, r)
		switch {
		case err == nil:
			next.version++
			s.publish(&next)
			return &next, nil
		case errors.Is(err, ErrConflict):
			if err := s.reload(ctx); err != nil {
				return nil, err
			}
			if s.state.Load().version == next.version {
				return nil, &StoreError{errGoneBack}
			}
		case errors.Is(err, ErrNotFound):
			return nil, s.vanished()
		default:
			return nil, &StoreError{err}
		}
	}
}

// reload reads the record again. The errors are ErrNoSession and *StoreError.
func (s *Session) reload(ctx context.Context) error {
	r, err := s.m.load(ctx, s.id)
	if errors.Is(err, ErrNoSession) {
		return s.vanished()
	}
	if err != nil {
		return err
	}
	if r.Version <= s.state.Load().version {
		return nil
	}
	st, err := s.m.unseal(ctx, r)
	if err != nil {
		return err
	}
	s.publish(st)
	return nil
}

// vanished deals with a record that is gone from the store: the session is over, and what
// memory held of it with it.
func (s *Session) vanished() error {
	if st := *s.state.Load(); st.Ended == "" {
		st.end(s.m.now().Add(-2*tombstoneFor), AbsoluteLimit, false)
		st.version++
		s.publish(&st)
	}
	s.m.cache.drop(s.id)
	return ErrNoSession
}

// publish makes st the newest state, unless a newer one is there.
func (s *Session) publish(st *State) {
	for {
		old := s.state.Load()
		if old != nil && old.version >= st.version {
			return
		}
		if s.state.CompareAndSwap(old, st) {
			break
		}
	}
	s.saw(st.Seen)
	if st.Outdated != upToDate {
		s.dropExchanges()
	}
	if st.Ended != "" {
		s.dropExchanges()
		s.m.backlog.note(s.id, s.state.Load(), s.m.now())
	}
	s.life.stir()
	if st.over() {
		s.life.end()
	}
}
