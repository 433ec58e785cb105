package boltstore

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"time"
)

// cleanBatch is how many records one write of Run removes. Between two of them, whoever
// waits goes first.
const cleanBatch = 128

// Run removes expired records, a few at a time, and blocks until ctx ends or the store is
// closed; then it returns nil. A round that fails, on a full disk for example, is logged,
// and the next one tries again: what has expired is invisible whether it is removed or not.
func (s *Store) Run(ctx context.Context) error {
	tick := time.NewTicker(s.every)
	defer tick.Stop()
	for {
		removed, err := s.clean(ctx)
		switch {
		case ctx.Err() != nil || errors.Is(err, os.ErrClosed):
			return nil
		case err != nil:
			s.log.LogAttrs(ctx, slog.LevelWarn, "expired records could not be removed", slog.Any("error", err))
		case removed > 0:
			s.log.LogAttrs(ctx, slog.LevelDebug, "expired records removed", slog.Int("records", removed))
		}
		select {
		case <-tick.C:
		case <-s.closing:
			return nil
		case <-ctx.Done():
			return nil
		}
	}
}

// clean removes all that has expired and returns how many records that were.
func (s *Store) clean(ctx context.Context) (int, error) {
	for total := 0; ; {
		var removed int
		err := s.write(ctx, 0, func(t *txn) (err error) {
			removed, err = t.expire(cleanBatch)
			return err
		})
		if err != nil {
			return total, err
		}
		total += removed
		if removed < cleanBatch {
			return total, nil
		}
	}
}
