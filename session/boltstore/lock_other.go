//go:build !linux && !darwin

package boltstore

import (
	"errors"
	"io/fs"
	"os"
)

// lock sees whether a process has the file at path open. It cannot keep others from doing
// so afterwards. A file that is not there is made, and goes again unless unlock is told that
// it was used. there reports whether there is something in the file.
func lock(path string) (there bool, unlock func(used bool) error, err error) {
	_, missing := os.Stat(path)
	if err := Look(path); errors.Is(err, ErrInUse) {
		return false, nil, err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return false, nil, (&Store{path: path}).openError(err)
	}
	info, err := f.Stat()
	if err := errors.Join(err, f.Close()); err != nil {
		return false, nil, (&Store{path: path}).openError(err)
	}
	return info.Size() > 0, func(used bool) error {
		if missing != nil && !used {
			return os.Remove(path)
		}
		return nil
	}, nil
}

// chown does nothing: the owner of a new file is who runs this.
func chown(string, fs.FileInfo) error { return nil }
