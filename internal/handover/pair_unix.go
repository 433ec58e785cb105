//go:build unix

package handover

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
)

// pair returns the two ends of a connection: one for this process, one for its child.
func pair() (ours net.Conn, theirs *os.File, err error) {
	syscall.ForkLock.RLock()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(fds[0])
		syscall.CloseOnExec(fds[1])
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, nil, fmt.Errorf("handover: socket pair: %w", err)
	}
	theirs = os.NewFile(uintptr(fds[1]), "theirs")
	own := os.NewFile(uintptr(fds[0]), "ours")
	ours, err = net.FileConn(own)
	if err = errors.Join(err, own.Close()); err != nil {
		_ = theirs.Close()
		return nil, nil, fmt.Errorf("handover: socket pair: %w", err)
	}
	return ours, theirs, nil
}

// private keeps a descriptor from the processes that this one starts.
func private(fd int) { syscall.CloseOnExec(fd) }
