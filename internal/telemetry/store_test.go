package telemetry_test

import (
	"context"
	"errors"
	"iter"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/telemetry"
	"github.com/cloakroom-bff/cloakroom/session"
	"github.com/cloakroom-bff/cloakroom/session/boltstore"
	"github.com/cloakroom-bff/cloakroom/session/storetest"
)

// What stands before a store must be a store.
func TestACountedStoreIsAStore(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) storetest.Fixture {
		store, err := boltstore.Open(filepath.Join(t.TempDir(), "sessions.db"), boltstore.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = store.Close() })
		return storetest.Fixture{Store: telemetry.NewMetrics("1.2.3").Store(store, nil)}
	})
}

// fickle is a store that answers as it is told.
type fickle struct{ err error }

func (s fickle) Create(context.Context, session.Record) error                { return s.err }
func (s fickle) Replace(context.Context, session.Record) error               { return s.err }
func (s fickle) Delete(context.Context, session.ID, uint64) error            { return s.err }
func (s fickle) Find(context.Context, session.Key) ([]session.Record, error) { return nil, s.err }
func (s fickle) Load(context.Context, session.ID) (session.Record, error) {
	return session.Record{}, s.err
}

func (s fickle) Due(context.Context, time.Time, int) ([]session.Record, error) { return nil, s.err }

func (s fickle) Scan(context.Context) iter.Seq2[session.Record, error] {
	return func(yield func(session.Record, error) bool) { yield(session.Record{}, s.err) }
}

// many is a fickle store of several processes.
type many struct{ fickle }

func (many) Notify(func(session.ID)) {}
func (many) Linked() bool            { return true }
func (s many) Now(context.Context) (time.Time, error) {
	return time.Now(), s.err
}

func TestAnAnswerOfTheStoreIsNoFailure(t *testing.T) {
	t.Parallel()
	m := telemetry.NewMetrics("1.2.3")
	for _, err := range []error{nil, session.ErrNotFound, session.ErrConflict, session.ErrExists, errors.New("away")} {
		_, _ = m.Store(fickle{err}, nil).Load(t.Context(), session.ID{1})
	}
	got := scrape(t, m)
	for _, outcome := range []string{"ok", "not_found", "conflict", "exists", "error"} {
		if want := `cloakroom_store_operations_total{operation="load",outcome="` + outcome + `"} 1`; !strings.Contains(got, want) {
			t.Errorf("the scrape lacks %s", want)
		}
	}
}

func TestAStoreOfManyProcessesStaysOne(t *testing.T) {
	t.Parallel()
	m := telemetry.NewMetrics("1.2.3")
	if _, ok := m.Store(fickle{}, nil).(session.Shared); ok {
		t.Error("a store of one process has become one of many")
	}
	shared, ok := m.Store(many{}, nil).(session.Shared)
	if !ok || !shared.Linked() {
		t.Fatal("a store of many processes has become one of one")
	}
	_, _ = shared.Now(t.Context())
	if want := `operation="clock"`; !strings.Contains(scrape(t, m), want) {
		t.Errorf("the scrape lacks %s", want)
	}
	if _, err := shared.(session.Counted).Count(t.Context()); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("a store that does not count says %v", err)
	}
}
