package app

import (
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"
)

// watched is what files say, and notices when they change. What does not load is reported
// and the old goes on: a half-written file cuts nobody off.
type watched[T any] struct {
	what  string // for messages
	files []string
	read  func() (T, error)
	log   *slog.Logger

	mu      sync.Mutex
	current T           // guarded by mu
	stamp   []time.Time // guarded by mu: when the files last changed
	looked  time.Time   // guarded by mu
}

// watch loads the files for the first time.
func watch[T any](what string, log *slog.Logger, read func() (T, error), files ...string) (*watched[T], error) {
	w := &watched[T]{what: what, files: files, read: read, log: log}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.load(); err != nil {
		return nil, err
	}
	return w, nil
}

// get returns what the files say; at most once a second it looks whether they have changed.
func (w *watched[T]) get() T {
	w.mu.Lock()
	defer w.mu.Unlock()
	if time.Since(w.looked) < time.Second {
		return w.current
	}
	w.looked = time.Now()
	stamp, err := w.stat()
	if err == nil && !slices.Equal(stamp, w.stamp) {
		err = w.load()
	}
	if err != nil {
		w.log.Error("tls: changed files cannot be used; the old content goes on", "what", w.what, "err", err)
	}
	return w.current
}

// load reads the files. The caller holds mu.
func (w *watched[T]) load() error {
	stamp, err := w.stat()
	if err != nil {
		return err
	}
	current, err := w.read()
	if err != nil {
		return fmt.Errorf("tls: loading %v: %w", w.files, err)
	}
	w.current, w.stamp = current, stamp
	return nil
}

func (w *watched[T]) stat() ([]time.Time, error) {
	stamp := make([]time.Time, len(w.files))
	for i, name := range w.files {
		info, err := os.Stat(name)
		if err != nil {
			return nil, fmt.Errorf("tls: %w", err)
		}
		stamp[i] = info.ModTime()
	}
	return stamp, nil
}
