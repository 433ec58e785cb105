package boltstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"go.etcd.io/bbolt"
)

// Restore puts the backup at from in the place of the store at path, rewritten as w says.
// The store that was there stays beside it, damaged or not, under the name that is
// returned; empty if there was none. At every moment one of the two is there, whole. It
// needs both files for itself: an error that wraps [ErrInUse] says that a process has one
// of them open. After an error the store is as it was.
func Restore(ctx context.Context, path, from string, w Rewriting) (kept string, c Contents, err error) {
	if _, err := Check(ctx, from); err != nil {
		return "", c, err
	}
	if same(path, from) {
		return "", c, fmt.Errorf("boltstore: %s is the store itself: name a backup", from)
	}
	there, unlock, err := lock(path)
	if err != nil {
		return "", c, err
	}
	defer func() { err = errors.Join(err, unlock(err == nil)) }()
	p, err := newPart(path)
	if err != nil {
		return "", c, err
	}
	defer func() { err = errors.Join(err, p.drop()) }()
	err = readFile(from, func(tx *bbolt.Tx) error {
		c, err = w.run(ctx, tx, p)
		return err
	})
	if err != nil {
		return "", c, err
	}
	if err := p.own(path); err != nil {
		return "", c, err
	}
	if !there {
		return "", c, p.become()
	}
	if kept, err = keep(path, w.now()); err != nil {
		return "", c, err
	}
	if err := p.become(); err != nil {
		return "", c, errors.Join(err, os.Remove(kept))
	}
	return kept, c, nil
}

func (w Rewriting) now() time.Time {
	if w.Now == nil {
		return time.Now()
	}
	return w.Now()
}

func same(a, b string) bool {
	one, err := os.Stat(a)
	if err != nil {
		return false
	}
	two, err := os.Stat(b)
	return err == nil && os.SameFile(one, two)
}

// keep gives the store a second name, or a copy where the file system knows no second names.
func keep(path string, now time.Time) (string, error) {
	kept, err := unused(path + ".before-" + now.UTC().Format("20060102T150405Z"))
	if err != nil {
		return "", err
	}
	if err := os.Link(path, kept); err == nil {
		return kept, nil
	}
	p, err := newPart(kept)
	if err != nil {
		return "", err
	}
	if err := errors.Join(copyFile(p.name, path), p.own(path)); err != nil {
		return "", errors.Join(placeError(kept, err), p.drop())
	}
	return kept, errors.Join(p.become(), p.drop())
}

// unused is a name that nothing has, this one if possible.
func unused(name string) (string, error) {
	free := name
	for n := 2; ; n++ {
		switch _, err := os.Lstat(free); {
		case errors.Is(err, fs.ErrNotExist):
			return free, nil
		case err != nil:
			return "", placeError(name, err)
		}
		free = fmt.Sprintf("%s-%d", name, n)
	}
}

func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_WRONLY, 0)
	if err != nil {
		return errors.Join(err, in.Close())
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close(), in.Close())
}
