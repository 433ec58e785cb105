package boltstore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
)

// ErrInUse says that another process has the file open. It comes wrapped.
var ErrInUse = errors.New("the file serves one process at a time")

// inUse is the answer to whoever needs the file for itself.
func (s *Store) inUse() error {
	return fmt.Errorf("boltstore: %s is open in another process: %w: stop the gateway first", s.path, ErrInUse)
}

// Look reports whether [Open] would find a store at path, or could make one, and changes
// nothing. An error that wraps [ErrInUse] says that a process has it open, most likely the
// gateway itself; one that wraps fs.ErrNotExist, that the directory is missing. It waits
// for the file for about a second.
func Look(path string) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true)) // As in read.
	s := &Store{path: path}
	defer func() {
		if p := recover(); p != nil {
			err = s.damaged(p)
		}
	}()
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return s.lookAround()
	}
	if err := s.inspect(); err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_RDWR, 0) // It shows whether the file may be written, too.
	if err != nil {
		return s.openError(err)
	}
	return file.Close()
}

// lookAround looks at the directory of a file that is still to be made.
func (s *Store) lookAround() error {
	dir := filepath.Dir(s.path)
	if _, err := os.Stat(dir); err != nil {
		return s.openError(err)
	}
	if !mayWrite(dir) {
		return s.openError(&fs.PathError{Op: "write", Path: dir, Err: fs.ErrPermission})
	}
	return nil
}
