//go:build unix

package outbound

import (
	"errors"
	"net"
	"syscall"
)

// glances says whether a connection can be looked at; where it cannot, all requests go the
// long way.
const glances = true

// glance looks at a connection without waiting.
type glance interface {
	// quiet reports whether the upstream has neither closed the connection nor said
	// anything.
	quiet() bool
}

// glanceAt returns nil if the connection cannot be looked at.
func glanceAt(c net.Conn) glance {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nil
	}
	r := &reader{raw: raw}
	r.look = func(fd uintptr) bool {
		_, r.err = syscall.Read(int(fd), r.one[:])
		return true
	}
	return r
}

// reader reads one byte, which must not be there.
type reader struct {
	raw  syscall.RawConn
	look func(fd uintptr) bool // once for all: it is called for each request
	one  [1]byte
	err  error
}

func (r *reader) quiet() bool {
	return r.raw.Read(r.look) == nil && errors.Is(r.err, syscall.EAGAIN)
}
