package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/cloakroom-bff/cloakroom/internal/config"
	"github.com/cloakroom-bff/cloakroom/session"
	"github.com/cloakroom-bff/cloakroom/session/boltstore"
)

// ErrNoFile says that sessions are in Redis, which has backups of its own.
var ErrNoFile = errors.New("session.store is a Redis: it keeps backups of its own (appendonly, BGSAVE), and needs no compaction")

// ErrSealed says that the backup has records that no key of session.keys opens.
var ErrSealed = session.ErrSealed

// StoreFile is the file in which a configuration keeps sessions, as its commands see it:
// backed up, restored and compacted. One command at a time.
type StoreFile struct {
	path string
	keys *session.Keyring

	// Progress, if set, is told now and then how much of the work is done: bytes of a
	// backup, else records.
	Progress func(done, of int64)
}

// NewStoreFile returns the file that cfg names, or ErrNoFile. It need not be there.
func NewStoreFile(cfg *config.Config) (*StoreFile, error) {
	if !cfg.Session.Store.URL.IsZero() {
		return nil, ErrNoFile
	}
	keys, err := keyring(cfg.Session.Keys)
	if err != nil {
		return nil, fmt.Errorf("session.keys: %w", err)
	}
	return &StoreFile{path: cfg.Session.Store.Bolt, keys: keys}, nil
}

// Path is where the file is.
func (f *StoreFile) Path() string { return f.path }

// Saved is what a backup came to.
type Saved struct {
	boltstore.Contents
	Online bool // it came from the running gateway
}

// Ask asks the running gateway for its file. To is told the size before anything is written.
type Ask func(ctx context.Context, to func(size int64) (io.Writer, error)) error

// Backup puts a copy of the file, as it is at one moment, under the name to, whole or not at
// all. If a process has the file open, or if it is not on this machine, the running gateway
// is asked for it. A file that has the name is left alone, and the error wraps fs.ErrExist,
// unless overwrite says that it may go.
func (f *StoreFile) Backup(ctx context.Context, to string, overwrite bool, ask Ask) (saved Saved, err error) {
	saved.Contents, err = boltstore.Save(ctx, to, overwrite, func(w io.Writer) error {
		follow := func(size int64) (io.Writer, error) { return f.counted(w, size), nil }
		err := boltstore.BackupFile(ctx, f.path, follow)
		if !errors.Is(err, boltstore.ErrInUse) && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		saved.Online = true
		if asked := ask(ctx, follow); asked != nil {
			if errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("%s is not there, and %w", f.path, asked)
			}
			return fmt.Errorf("%s is open in another process, and %w", f.path, asked)
		}
		return nil
	})
	return saved, err
}

// counted tells of the progress of what goes through.
func (f *StoreFile) counted(w io.Writer, size int64) io.Writer {
	if f.Progress == nil {
		return w
	}
	return &counter{Writer: w, of: size, tell: f.Progress}
}

type counter struct {
	io.Writer
	done, of int64
	tell     func(done, of int64)
}

// Write implements io.Writer.
func (c *counter) Write(p []byte) (int, error) {
	n, err := c.Writer.Write(p)
	c.done += int64(n)
	c.tell(c.done, c.of)
	return n, err
}

// Compact writes the file anew without what it does not need. No process may have it open.
func (f *StoreFile) Compact(ctx context.Context) (before, after boltstore.Contents, err error) {
	return boltstore.Compact(ctx, f.path, boltstore.Rewriting{Progress: f.records()})
}

func (f *StoreFile) records() func(done, of int) {
	if f.Progress == nil {
		return nil
	}
	return func(done, of int) { f.Progress(int64(done), int64(of)) }
}

// Restored is what a restore came to.
type Restored struct {
	boltstore.Contents
	Kept   string // the store that was there before; empty if there was none
	Live   int    // sessions that go on, once the provider has taken their refresh tokens
	Sealed int    // records that no key opens, and that were left out
}

// Restore puts the backup at from in the place of the file. Its sessions have to prove
// themselves, see [session.Restored]. Records that no key of the ring opens are an error
// that wraps ErrSealed, unless leaveOut says that they are to be left out. No
// process may have the file open.
func (f *StoreFile) Restore(ctx context.Context, from string, leaveOut bool) (done Restored, err error) {
	change := func(r session.Record) (session.Record, bool, error) {
		back, live, err := session.Restored(f.keys, r)
		if errors.Is(err, ErrSealed) && leaveOut {
			done.Sealed++
			return r, false, nil
		}
		if live {
			done.Live++
		}
		return back, true, err
	}
	done.Kept, done.Contents, err = boltstore.Restore(ctx, f.path, from, boltstore.Rewriting{Change: change, Progress: f.records()})
	return done, err
}
