package boltstore

import (
	"context"
	"fmt"
	"io"

	"go.etcd.io/bbolt"
)

// Backup writes the file to the writer that to returns, as it is at this moment. To is told
// the size in bytes first, before anything is written. Reads and writes go on meanwhile;
// pages that they free are not used again until the copy is done, so the file may grow.
// It ends early when ctx does or the store is closed; what has been written by then is no
// store, for its end is missing. An error of the writer is returned as it is.
func (s *Store) Backup(ctx context.Context, to func(size int64) (io.Writer, error)) error {
	return s.read(ctx, func(tx *bbolt.Tx) error {
		out, err := to(tx.Size())
		if err != nil {
			return err
		}
		return copyOut(ctx, tx, out, s.closing)
	})
}

// BackupFile does what [Store.Backup] does of a file that no process has open: another one
// that wants to open it waits for about a second and then fails. An error that wraps
// [ErrInUse] says that one has; one that wraps fs.ErrNotExist, that there is no file.
func BackupFile(ctx context.Context, path string, to func(size int64) (io.Writer, error)) error {
	return readFile(path, func(tx *bbolt.Tx) error {
		out, err := to(tx.Size())
		if err != nil {
			return err
		}
		return copyOut(ctx, tx, out, nil)
	})
}

// copyOut copies a transaction's pages until nobody wants them any more.
func copyOut(ctx context.Context, tx *bbolt.Tx, out io.Writer, closing <-chan struct{}) error {
	var failed error // bbolt keeps only the text of some
	_, err := tx.WriteTo(writer(func(p []byte) (n int, err error) {
		select {
		case <-ctx.Done():
			failed = ctx.Err()
		case <-closing:
			failed = errClosed
		default:
			n, failed = out.Write(p)
		}
		return n, failed
	}))
	if failed != nil {
		return failed
	}
	if err != nil {
		return fmt.Errorf("boltstore: copy: %w", err)
	}
	return nil
}

// writer is a function as an io.Writer.
type writer func(p []byte) (int, error)

// Write implements io.Writer.
func (w writer) Write(p []byte) (int, error) { return w(p) }
