//go:build linux || darwin

package boltstore

import "syscall"

// mayWrite reports whether this process may make files in a directory, a file system that
// is read-only included.
func mayWrite(dir string) bool {
	const write, search = 2, 1 // access(2): W_OK, X_OK
	return syscall.Access(dir, write|search) == nil
}
