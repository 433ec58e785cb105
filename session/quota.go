package session

import (
	"bytes"
	"context"
	"slices"
	"time"
)

// beginsAt is when a session of g begins that is begun at now: after all others of its
// subject, also if they began in a process whose clock is ahead. So who logs in last is
// never the oldest. The error is a *StoreError.
func (m *Manager) beginsAt(ctx context.Context, g *Grant, now time.Time) (time.Time, error) {
	if m.terms().MaxPerUser == 0 {
		return now, nil
	}
	others, err := m.OfSubject(ctx, g.Issuer, g.Subject)
	if err != nil {
		return time.Time{}, err
	}
	for _, s := range others {
		if began := s.State().Created; !began.Before(now) {
			now = began.Add(1)
		}
	}
	return now, nil
}

// makeRoom ends what the subject of s, which has just begun, has beyond MaxPerUser, the
// oldest first. Processes in which the same subject logs in at once agree on who that is,
// and the last of them to look sees all: one of the new sessions may have to go, but never
// the newest. s stands already: what cannot be ended now is ended after the next login.
func (m *Manager) makeRoom(ctx context.Context, s *Session) {
	g := &s.State().Grant
	all, err := m.OfSubject(ctx, g.Issuer, g.Subject)
	if excess := len(all) - m.terms().MaxPerUser; err == nil && excess > 0 {
		slices.SortFunc(all, func(a, b *Session) int {
			if c := a.State().Created.Compare(b.State().Created); c != 0 {
				return c
			}
			return bytes.Compare(a.id[:], b.id[:])
		})
		ids := make([]ID, excess)
		for i, old := range all[:excess] {
			ids[i] = old.id
		}
		_, err = m.EndAll(ctx, ids, TooMany)
	}
	if err != nil {
		m.log.WarnContext(ctx, "a user has more sessions than session.max_per_user, and the oldest could not be ended", "session", s.id.String(), "err", err)
	}
}
