package boltstore

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/bits"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// lockWait is how long Open waits for another process to give up the file: enough for a
// predecessor that is just leaving, and no more.
const lockWait = time.Second

// Open opens the store in the file at path, which it makes, with mode 0600, if it is not
// there; its directory must be. The file belongs to this process until Close: another
// Open of it fails within about a second. A file that is no store, or is one of a newer
// version, is refused and left as it is.
func Open(path string, opts Options) (*Store, error) {
	s := &Store{
		path:    path,
		small:   smallFile,
		every:   opts.CleanEvery,
		log:     opts.Log,
		now:     opts.Now,
		writes:  make(chan *write),
		closing: make(chan struct{}),
		idle:    make(chan struct{}),
	}
	if s.every <= 0 {
		s.every = time.Minute
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.now == nil {
		s.now = time.Now
	}
	if err := s.open(); err != nil {
		return nil, err
	}
	go s.runWriter() // Close stops it and waits for it.
	return s, nil
}

// open opens the file as it will be used and makes the buckets.
func (s *Store) open() (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true)) // As in read.
	defer func() {
		if p := recover(); p != nil {
			err = s.damaged(p)
		}
	}()
	if err := s.inspect(); err != nil {
		return err
	}
	if s.db, err = s.own(); err != nil {
		return err
	}
	s.setFreelist()
	if err := errors.Join(s.db.Update(makeBuckets), syncDir(filepath.Dir(s.path))); err != nil {
		return errors.Join(fmt.Errorf("boltstore: prepare %s: %w", s.path, err), s.db.Close())
	}
	s.letGo() // All that was read to find the free pages, after a crash.
	return nil
}

// own opens the file for this process alone. While it waited for the lock, another file may
// have come under the same name, by a restore or a compaction: then that one counts.
func (s *Store) own() (*bbolt.DB, error) {
	var got *os.File
	opts := &bbolt.Options{
		Timeout:        lockWait,
		NoFreelistSync: true, // Until setFreelist decides.
		FreelistType:   bbolt.FreelistMapType,
		OpenFile: func(name string, flag int, mode os.FileMode) (f *os.File, err error) {
			f, err = os.OpenFile(name, flag, mode)
			got = f
			return f, err
		},
	}
	if bits.UintSize == 64 && runtime.GOOS != "windows" {
		opts.InitialMmapSize = 1 << 30 // Addresses only. On Windows it would be the file's size.
	}
	for range 3 {
		db, err := bbolt.Open(s.path, 0o600, opts)
		if err != nil {
			return nil, s.openError(err)
		}
		ours, err := got.Stat()
		if err != nil {
			return nil, errors.Join(s.openError(err), db.Close())
		}
		if named, err := os.Stat(s.path); err == nil && os.SameFile(ours, named) {
			return db, nil
		}
		if err := db.Close(); err != nil {
			return nil, s.openError(err)
		}
	}
	return nil, fmt.Errorf("boltstore: %s is being replaced by another file again and again: let that end first", s.path)
}

// inspect looks at a file that is there without changing it. To open a file for writing,
// bbolt walks its pages in a goroutine of its own, where a page that is missing would end
// the process; and it would write to a database that is not ours.
func (s *Store) inspect() error {
	info, err := os.Stat(s.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return s.openError(err)
	case !info.Mode().IsRegular():
		return fmt.Errorf("boltstore: %s is not a regular file: name a file", s.path)
	case info.Size() == 0:
		return nil
	}
	db, err := bbolt.Open(s.path, 0o600, &bbolt.Options{Timeout: lockWait, ReadOnly: true})
	if err != nil {
		return s.openError(err)
	}
	err = db.View(func(tx *bbolt.Tx) error {
		if info, err = os.Stat(s.path); err != nil {
			return s.openError(err)
		}
		if info.Size() < tx.Size() {
			return fmt.Errorf("boltstore: %s has %d bytes of %d: it was cut off; restore it or move it away", s.path, info.Size(), tx.Size())
		}
		return s.checkFormat(tx)
	})
	return errors.Join(err, db.Close())
}

// checkFormat refuses a database that is not ours or is ahead of us.
func (s *Store) checkFormat(tx *bbolt.Tx) error {
	meta := tx.Bucket(bucketMeta)
	if meta == nil {
		if name, _ := tx.Cursor().First(); name != nil {
			return fmt.Errorf("boltstore: %s is a bbolt database of another program: name another file", s.path)
		}
		return nil
	}
	format := meta.Get(keyFormat)
	switch {
	case len(format) != 1:
		return fmt.Errorf("boltstore: %s is a bbolt database of another program: name another file", s.path)
	case format[0] > fileFormat:
		return fmt.Errorf("boltstore: %s has format %d, and this version knows formats up to %d: run the version that wrote it, or a newer one", s.path, format[0], fileFormat)
	}
	return nil
}

// makeBuckets makes what is missing in a new file.
func makeBuckets(tx *bbolt.Tx) error {
	for _, name := range [][]byte{bucketRecords, bucketIndex, bucketDue, bucketExpiry} {
		if _, err := tx.CreateBucketIfNotExists(name); err != nil {
			return err
		}
	}
	meta, err := tx.CreateBucketIfNotExists(bucketMeta)
	if err != nil || meta.Get(keyFormat) != nil {
		return err
	}
	return meta.Put(keyFormat, []byte{fileFormat})
}

// openError says what to do about an error of opening the file.
func (s *Store) openError(err error) error {
	switch {
	case errors.Is(err, berrors.ErrTimeout):
		return fmt.Errorf("boltstore: %s is open in another process: %w; stop the other one, or name another file, or keep sessions in Redis: %w", s.path, ErrInUse, err)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("boltstore: the directory of %s does not exist: make it: %w", s.path, err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("boltstore: %s may not be read and written: give the file and its directory to the user that runs this process: %w", s.path, err)
	case errors.As(err, new(*fs.PathError)):
		return fmt.Errorf("boltstore: open %s: %w", s.path, err)
	default:
		return fmt.Errorf("boltstore: %s is no bbolt database, or is damaged: name another file, restore it or move it away: %w", s.path, err)
	}
}

// syncDir makes a new file's name durable. Windows has no such thing.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
