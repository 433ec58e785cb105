package storetest

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

// long is a lifetime that no check outlives, short one that some wait for.
const (
	long  = time.Hour
	short = 500 * time.Millisecond
)

// precision is what a store must keep of a time.
const precision = time.Millisecond

// newRecord returns a record that nobody else has, which lives long.
func newRecord(f Fixture, data string) session.Record {
	return session.Record{ID: newID(), Data: []byte(data), Expires: f.Now().Add(long)}
}

func newID() (id session.ID) {
	_, _ = rand.Read(id[:]) // It never fails.
	return id
}

func newKey() (key session.Key) {
	_, _ = rand.Read(key[:]) // It never fails.
	return key
}

// clone copies a record, so that what a store does to it can be seen.
func clone(r session.Record) session.Record {
	r.Data, r.Index = bytes.Clone(r.Data), slices.Clone(r.Index)
	return r
}

// same says how got differs from want, in words; nil and empty slices are the same.
func same(got, want session.Record) error {
	switch {
	case got.ID != want.ID:
		return fmt.Errorf("the ID is %s, want %s", got.ID, want.ID)
	case got.Version != want.Version:
		return fmt.Errorf("the Version is %d, want %d", got.Version, want.Version)
	case !bytes.Equal(got.Data, want.Data):
		return fmt.Errorf("the Data is %s, want %s", brief(got.Data), brief(want.Data))
	case !slices.Equal(got.Index, want.Index):
		return fmt.Errorf("the Index has %d keys, want %d, or they are others", len(got.Index), len(want.Index))
	}
	return errors.Join(sameTime("Due", got.Due, want.Due), sameTime("Expires", got.Expires, want.Expires))
}

func sameTime(field string, got, want time.Time) error {
	if off := got.Sub(want).Abs(); off > precision || got.IsZero() != want.IsZero() {
		return fmt.Errorf("the %s is %v, want %v", field, got, want)
	}
	return nil
}

func brief(b []byte) string {
	if len(b) > 32 {
		return fmt.Sprintf("%q… (%d bytes)", b[:32], len(b))
	}
	return fmt.Sprintf("%q", b)
}

// is says that an error is not the one wanted; want may be nil.
func is(what string, err, want error) error {
	if errors.Is(err, want) {
		return nil
	}
	return fmt.Errorf("%s: the error is %s, want %s", what, fmt.Sprint(err), fmt.Sprint(want))
}

// isNoDecision says that an error is missing, or is one of the three decisions.
func isNoDecision(what string, err error) error {
	for _, decision := range []error{session.ErrNotFound, session.ErrConflict, session.ErrExists} {
		if errors.Is(err, decision) {
			return fmt.Errorf("%s: the error is %w, which is a decision", what, err)
		}
	}
	if err == nil {
		return fmt.Errorf("%s: no error", what)
	}
	return nil
}
