package session

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"time"
)

// Once marks value as used, durably, for ttl. The second call with the same purpose and
// value fails with ErrUsed; a store that is away gives a *StoreError.
func (m *Manager) Once(ctx context.Context, purpose, value string, ttl time.Duration) error {
	for _, id := range m.onceIDs(purpose, value) {
		err := m.cfg.Store.Create(ctx, Record{ID: id, Expires: m.now().Add(ttl)})
		switch {
		case errors.Is(err, ErrExists):
			return ErrUsed
		case err != nil:
			return &StoreError{err}
		}
	}
	return nil
}

// Unused is nil if Once has not marked value yet, and marks nothing itself: for what must
// be repeatable until it has succeeded. The errors are those of Once.
func (m *Manager) Unused(ctx context.Context, purpose, value string) error {
	for _, id := range m.onceIDs(purpose, value) {
		_, err := m.cfg.Store.Load(ctx, id)
		switch {
		case err == nil:
			return ErrUsed
		case !errors.Is(err, ErrNotFound):
			return &StoreError{err}
		}
	}
	return nil
}

// onceIDs names a mark under every key: processes whose keyrings differ, while keys are
// rotated, meet at one that they share. They do so in one order, or both might lose.
func (m *Manager) onceIDs(purpose, value string) []ID {
	var ids []ID
	for _, key := range m.Keys().keys {
		ids = append(ids, ID(hash(key.id, "once", purpose, value)))
	}
	slices.SortFunc(ids, func(a, b ID) int { return bytes.Compare(a[:], b[:]) })
	return ids
}
