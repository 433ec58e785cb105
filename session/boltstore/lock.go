//go:build linux || darwin

package boltstore

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// lock takes the file at path for this process as bbolt does, but reads nothing of it: it
// may be damaged. A file that is not there is made, empty, so that nobody else makes one
// meanwhile, and goes again unless unlock is told that it was used. there reports whether
// there was something in it.
func lock(path string) (there bool, unlock func(used bool) error, err error) {
	s := &Store{path: path}
	_, missing := os.Stat(path)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return false, nil, s.openError(err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = s.inUse()
		}
		return false, nil, errors.Join(err, f.Close())
	}
	info, err := f.Stat()
	if err != nil {
		return false, nil, errors.Join(s.openError(err), f.Close())
	}
	if named, err := os.Stat(path); err != nil || !os.SameFile(info, named) {
		return false, nil, errors.Join(s.inUse(), f.Close()) // Another one has just come in its place.
	}
	return info.Size() > 0, func(used bool) error {
		if missing != nil && !used {
			return errors.Join(os.Remove(path), f.Close())
		}
		return f.Close()
	}, nil
}

// chown gives a file to the owner of another one.
func chown(name string, like fs.FileInfo) error {
	want, ok := like.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	return os.Chown(name, int(want.Uid), int(want.Gid))
}
