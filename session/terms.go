package session

import (
	"errors"
	"time"
)

// terms returns the configuration that is in force. It is never changed, only replaced.
func (m *Manager) terms() *Config { return m.inForce.Load() }

// Reconfigure puts another configuration in the place of the manager's, at once and for all
// that follows; nobody waits for it, and nothing that runs is cut. Every session lives on, with
// the absolute limit that it began with. Keys change as by SetKeys. Store, CacheBytes, Observe,
// Tracer, Log and Now stay as they were, whatever cfg has there, and so does all that memory holds.
//
// After an error everything is as before. Calls, also of SetKeys, must not overlap.
func (m *Manager) Reconfigure(cfg Config) error {
	was := m.terms()
	cfg.Store, cfg.CacheBytes, cfg.Observe, cfg.Tracer, cfg.Log, cfg.Now = was.Store, was.CacheBytes, was.Observe, was.Tracer, was.Log, was.Now
	if err := cfg.complete(); err != nil {
		return err
	}
	t, err := newTickets(cfg.Keys, cfg.AbsoluteTimeout+tombstoneFor)
	if err != nil {
		return err
	}
	m.inForce.Store(&cfg)
	if cfg.Rate != was.Rate {
		// Who waits in the old line is still served there.
		m.budget.Store(newBudget(cfg.Rate, m.now))
		m.logins.allow(cfg.Rate)
	}
	m.useTickets(t)
	return nil
}

// SetKeys puts another keyring in the place of the manager's, at once and for all that
// follows; nobody waits for it. What was sealed before opens as long as ring has its key, and
// a record is sealed anew under the first key whenever it is written.
//
// With a key goes what it alone could open: tickets (ErrNoSession), and records, which are a
// *StoreError until the key is put back, also where memory had them open. Where a store is
// shared, every process needs a key before the first one seals with it.
func (m *Manager) SetKeys(ring *Keyring) error {
	if ring == nil {
		return errors.New("session: a Manager needs Keys")
	}
	cfg := *m.terms()
	cfg.Keys = ring
	return m.Reconfigure(cfg)
}

// activityEvery is how old the written activity of a session may be.
func (m *Manager) activityEvery() time.Duration { return min(m.terms().IdleTimeout/20, time.Minute) }
