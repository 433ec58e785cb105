package boltstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// A part is a file that is not whole yet. It stands beside the one that it is to become,
// under a name of its own, ".NAME.part-…"; a process that is killed leaves it there, and it
// may be deleted.
type part struct{ path, name string }

// newPart makes one, with mode 0600.
func newPart(path string) (*part, error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".part-")
	if err != nil {
		return nil, placeError(path, err)
	}
	if err := f.Close(); err != nil {
		return nil, placeError(path, err)
	}
	return &part{path, f.Name()}, nil
}

// become gives the file its name, in the place of one that has it. Then it is durable.
func (p *part) become() error {
	f, err := os.OpenFile(p.name, os.O_RDWR, 0)
	if err != nil {
		return placeError(p.path, err)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return placeError(p.path, err)
	}
	if err := os.Rename(p.name, p.path); err != nil {
		return placeError(p.path, err)
	}
	return syncDir(filepath.Dir(p.path))
}

// drop takes away what did not become anything.
func (p *part) drop() error {
	if err := os.Remove(p.name); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Save puts a backup under a name: what fill writes is kept in a part beside it, made
// durable and checked, and only then gets the name. A file that has it already is left
// alone, and the error wraps fs.ErrExist, unless overwrite says that it may go. After an
// error nothing has changed.
func Save(ctx context.Context, path string, overwrite bool, fill func(io.Writer) error) (c Contents, err error) {
	if err := free(path, overwrite); err != nil {
		return c, err
	}
	p, err := newPart(path)
	if err != nil {
		return c, err
	}
	defer func() { err = errors.Join(err, p.drop()) }()
	f, err := os.OpenFile(p.name, os.O_WRONLY, 0)
	if err != nil {
		return c, placeError(path, err)
	}
	err = fill(writer(func(b []byte) (int, error) {
		n, err := f.Write(b)
		if err != nil {
			err = placeError(path, err)
		}
		return n, err
	}))
	if err := errors.Join(err, f.Close()); err != nil {
		return c, err
	}
	if c, err = Check(ctx, p.name); err != nil {
		return c, fmt.Errorf("what has arrived is no whole backup: %w", err)
	}
	if err := free(path, overwrite); err != nil {
		return c, err
	}
	return c, p.become()
}

// free reports whether a name may be taken.
func free(path string, overwrite bool) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return placeError(path, err)
	case !info.Mode().IsRegular():
		return fmt.Errorf("boltstore: %s is not a regular file: name another one", path)
	case !overwrite:
		return fmt.Errorf("boltstore: %s: %w", path, fs.ErrExist)
	}
	return nil
}

// placeError says what to do about an error of writing a file; nil stays nil.
func placeError(path string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT), errors.Is(err, syscall.EFBIG):
		return fmt.Errorf("boltstore: there is no room for %s: make some, or name another place; nothing has changed: %w", path, err)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("boltstore: the directory of %s does not exist: make it: %w", path, err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("boltstore: %s may not be written: run this as the user that owns its directory: %w", path, err)
	}
	return fmt.Errorf("boltstore: write %s: %w", path, err)
}
