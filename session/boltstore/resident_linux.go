package boltstore

import "syscall"

// release takes the pages of a mapped file out of the process; they stay in the system's
// cache. A kernel that refuses leaves all as it was.
func release(at, size uintptr) {
	_, _, _ = syscall.Syscall(syscall.SYS_MADVISE, at, size, syscall.MADV_DONTNEED)
}
