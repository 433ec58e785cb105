//go:build !linux && !darwin

package boltstore

import "errors"

// fillTheDisk needs a limit on the size of files.
func fillTheDisk(string) error { return errors.ErrUnsupported }

func copyWithoutRoom(string) error { return errors.New("nothing here limits the size of a file") }
