package session

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync/atomic"
	"time"
)

// Summary is what may be told of a live session: no token, and no claim but the subject.
type Summary struct {
	ID ID

	Issuer   string
	ClientID string
	Subject  string
	// ProviderSession is the provider's sid claim, empty where it issues none.
	ProviderSession string

	Device   Device
	Created  time.Time // when this session, or the one that it continues, began
	Seen     time.Time // last activity, as far as this process knows
	Idle     time.Time // when it ends if nobody uses it any more; not after Deadline
	Deadline time.Time // when it ends whatever happens
}

// Summary returns what may be told of the session at this moment.
func (s *Session) Summary() Summary { return s.m.summary(s.id, s.State(), s.Seen()) }

func (m *Manager) summary(id ID, st *State, seen time.Time) Summary {
	g := &st.Grant
	return Summary{
		ID: id, Issuer: g.Issuer, ClientID: g.ClientID, Subject: g.Subject, ProviderSession: g.ProviderSession,
		Device: st.Device, Created: st.Created, Seen: seen,
		Idle: st.idleAt(seen, m.terms().IdleTimeout), Deadline: st.bound(),
	}
}

// Live walks all live sessions, each once, in no order. One that begins or ends meanwhile
// is seen or not. It takes nothing into memory, and holds nothing up, however many there
// are: the caller may end sessions, with EndAll, and may stop at any time. A record that no
// key of the ring opens is left out, and the log says how many were. An error, a
// *StoreError, is the last that it yields.
func (m *Manager) Live(ctx context.Context) iter.Seq2[Summary, error] {
	return func(yield func(Summary, error) bool) {
		now, sealed := m.now(), 0
		defer func() {
			if sealed > 0 {
				m.log.WarnContext(ctx, "session records cannot be opened and were left out: was a key removed from session.keys?", "records", sealed)
			}
		}()
		for r, err := range m.cfg.Store.Scan(ctx) {
			if err != nil {
				yield(Summary{}, &StoreError{err})
				return
			}
			st, seen, err := m.glance(r)
			switch {
			case err != nil:
				sealed++
			case st.Ended != "" || st.limit(now, seen, m.terms().IdleTimeout) != "":
			case !yield(m.summary(r.ID, st, seen), nil):
				return
			}
		}
	}
}

// Look returns what may be told of one live session, from the store: it is right also
// where another process has changed the session a moment ago. The errors are ErrNoSession
// and *StoreError.
func (m *Manager) Look(ctx context.Context, id ID) (Summary, error) {
	r, err := m.load(ctx, id)
	if err != nil {
		return Summary{}, err
	}
	st, seen, err := m.glance(r)
	switch {
	case err != nil:
		return Summary{}, &StoreError{err}
	case st.Ended != "", st.limit(m.now(), seen, m.terms().IdleTimeout) != "":
		return Summary{}, ErrNoSession
	}
	return m.summary(id, st, seen), nil
}

// glance returns the newest state of a record that was read a moment ago, and the session's
// last activity, without a handle for it.
func (m *Manager) glance(r Record) (st *State, seen time.Time, err error) {
	s := m.cache.handles.get(r.ID)
	if s != nil && s.State().version >= r.Version {
		return s.State(), s.Seen(), nil
	}
	if st, err = readState(m.Keys(), r); err != nil {
		return nil, time.Time{}, err
	}
	if seen = st.Seen; s != nil && s.Seen().After(seen) {
		seen = s.Seen()
	}
	return st, seen, nil
}

// EndAll ends sessions as Session.End does, a few dozen at a time, and returns how many of
// them it has ended: those that were over by then do not count. It goes on after a failure,
// but not when the store is plainly away. The error is a *StoreError that says how many may
// live on; to call again is harmless.
func (m *Manager) EndAll(ctx context.Context, ids []ID, why Reason) (ended int, err error) {
	var done, missed, failed atomic.Int64
	var first atomic.Pointer[error]
	sideBySide(abreast, ids, func(id ID) {
		if failed.Load() >= abreast || ctx.Err() != nil {
			missed.Add(1)
			return
		}
		switch did, err := m.endOne(ctx, id, why); {
		case err != nil:
			first.CompareAndSwap(nil, &err)
			failed.Add(1)
			missed.Add(1)
		case did:
			done.Add(1)
		}
	})
	if n := missed.Load(); n > 0 {
		cause := ctx.Err()
		if e := first.Load(); e != nil {
			cause = *e
		}
		err = &StoreError{fmt.Errorf("%d of %d sessions could not be ended: %w", n, len(ids), cause)}
	}
	return int(done.Load()), err
}

func (m *Manager) endOne(ctx context.Context, id ID, why Reason) (ended bool, err error) {
	s, err := m.Get(ctx, id)
	if errors.Is(err, ErrNoSession) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return s.end(ctx, func(*State) Reason { return why })
}
