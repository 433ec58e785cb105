package telemetry

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

// Store counts what is asked of a store, and puts it into traces; tracer may be nil. What it
// returns is a session.Shared if the store is one. Run and Close stay the store's own.
func (m *Metrics) Store(store session.Store, tracer session.Tracer) session.Store {
	observed := &observedStore{store, m, tracer}
	if shared, ok := store.(session.Shared); ok {
		return &sharedStore{observed, shared}
	}
	return observed
}

// observedStore is a store whose operations are counted.
type observedStore struct {
	store   session.Store
	metrics *Metrics
	tracer  session.Tracer // nil: none
}

var _ session.Counted = (*observedStore)(nil)

// begin begins an operation; the function takes how it ended.
func (s *observedStore) begin(ctx context.Context, operation string) (context.Context, func(error)) {
	began := time.Now()
	var part session.Part
	if s.tracer != nil {
		ctx, part = s.tracer.Call(ctx, "store "+operation)
	}
	return ctx, func(err error) {
		outcome := storeOutcome(err)
		s.metrics.storeCalls.WithLabelValues(operation, outcome).Inc()
		s.metrics.storeTimes.WithLabelValues(operation).Observe(time.Since(began).Seconds())
		if part == nil {
			return
		}
		if outcome != "error" {
			err = nil // an answer is no failure
		}
		part.End(err)
	}
}

func storeOutcome(err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, session.ErrNotFound):
		return "not_found"
	case errors.Is(err, session.ErrConflict):
		return "conflict"
	case errors.Is(err, session.ErrExists):
		return "exists"
	}
	return "error"
}

// Create implements session.Store.
func (s *observedStore) Create(ctx context.Context, r session.Record) error {
	ctx, end := s.begin(ctx, "create")
	err := s.store.Create(ctx, r)
	end(err)
	return err
}

// Load implements session.Store.
func (s *observedStore) Load(ctx context.Context, id session.ID) (session.Record, error) {
	ctx, end := s.begin(ctx, "load")
	r, err := s.store.Load(ctx, id)
	end(err)
	return r, err
}

// Replace implements session.Store.
func (s *observedStore) Replace(ctx context.Context, r session.Record) error {
	ctx, end := s.begin(ctx, "replace")
	err := s.store.Replace(ctx, r)
	end(err)
	return err
}

// Delete implements session.Store.
func (s *observedStore) Delete(ctx context.Context, id session.ID, version uint64) error {
	ctx, end := s.begin(ctx, "delete")
	err := s.store.Delete(ctx, id, version)
	end(err)
	return err
}

// Find implements session.Store.
func (s *observedStore) Find(ctx context.Context, key session.Key) ([]session.Record, error) {
	ctx, end := s.begin(ctx, "find")
	found, err := s.store.Find(ctx, key)
	end(err)
	return found, err
}

// Due implements session.Store.
func (s *observedStore) Due(ctx context.Context, before time.Time, limit int) ([]session.Record, error) {
	ctx, end := s.begin(ctx, "due")
	due, err := s.store.Due(ctx, before, limit)
	end(err)
	return due, err
}

// Scan implements session.Store. Its time is that of the whole walk, with what the caller
// does at each record.
func (s *observedStore) Scan(ctx context.Context) iter.Seq2[session.Record, error] {
	return func(yield func(session.Record, error) bool) {
		ctx, end := s.begin(ctx, "scan")
		var failed error
		defer func() { end(failed) }()
		for r, err := range s.store.Scan(ctx) {
			failed = err
			if !yield(r, err) {
				return
			}
		}
	}
}

// Count implements session.Counted.
func (s *observedStore) Count(ctx context.Context) (int, error) {
	counted, ok := s.store.(session.Counted)
	if !ok {
		return 0, fmt.Errorf("telemetry: the store does not count: %w", errors.ErrUnsupported)
	}
	ctx, end := s.begin(ctx, "count")
	n, err := counted.Count(ctx)
	end(err)
	return n, err
}

// sharedStore is an observedStore of several processes.
type sharedStore struct {
	*observedStore
	shared session.Shared
}

var _ session.Shared = (*sharedStore)(nil)

// Notify implements session.Shared.
func (s *sharedStore) Notify(changed func(session.ID)) { s.shared.Notify(changed) }

// Linked implements session.Shared.
func (s *sharedStore) Linked() bool { return s.shared.Linked() }

// Now implements session.Shared.
func (s *sharedStore) Now(ctx context.Context) (time.Time, error) {
	ctx, end := s.begin(ctx, "clock")
	now, err := s.shared.Now(ctx)
	end(err)
	return now, err
}
