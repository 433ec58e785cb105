package handover

import (
	"context"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
)

// firstDescriptor is the number of the first one that is handed over (sd_listen_fds(3)).
const firstDescriptor = 3

// Inherited is what a process was given at its start. The nil Inherited is nothing. It is for
// one goroutine.
type Inherited struct {
	// Predecessor is the process whose place this one takes; nil: systemd gave the sockets.
	Predecessor *Predecessor

	listeners []net.Listener
}

// Inherit takes what was handed to this process, as its environment says; nil if that is
// nothing. Call it once, early: the descriptors are the Inherited's from then on.
func Inherit(environ []string) (*Inherited, error) {
	env := func(name string) string {
		for _, line := range environ {
			if value, ok := strings.CutPrefix(line, name+"="); ok {
				return value
			}
		}
		return ""
	}
	names := strings.Split(env("LISTEN_FDNAMES"), ":")
	// Whoever starts a process knows its number only afterwards. Our own hand-over leaves it out.
	switch pid := env("LISTEN_PID"); {
	case pid == "" && !slices.Contains(names, talkName), pid != "" && pid != strconv.Itoa(os.Getpid()):
		return nil, nil
	}
	count, err := strconv.Atoi(env("LISTEN_FDS"))
	if err != nil || count < 0 || count > 64 {
		return nil, fmt.Errorf("handover: LISTEN_FDS is %q: it counts the sockets that systemd hands over", env("LISTEN_FDS"))
	}
	return inherit(count, names)
}

func inherit(count int, names []string) (*Inherited, error) {
	in := &Inherited{}
	var talk, store net.Conn
	for n := range count {
		name := ""
		if n < len(names) {
			name = names[n]
		}
		private(firstDescriptor + n)
		f := os.NewFile(uintptr(firstDescriptor+n), name)
		var err error
		switch name {
		case talkName:
			talk, err = net.FileConn(f)
		case storeName:
			store, err = net.FileConn(f)
		default:
			var l net.Listener
			if l, err = net.FileListener(f); err == nil {
				in.listeners = append(in.listeners, l)
			}
		}
		_ = f.Close() // what was made of it has a copy
		if err != nil {
			return nil, fmt.Errorf("handover: socket %d of LISTEN_FDS (%s) is no listening stream socket: %w", n+1, name, err)
		}
	}
	if talk != nil && store != nil {
		in.Predecessor = newPredecessor(talk, store)
	}
	return in, nil
}

// Listen returns the listener at an address: an inherited one, or a new one.
func (in *Inherited) Listen(ctx context.Context, address string) (net.Listener, error) {
	if in != nil && len(in.listeners) > 0 {
		want, err := net.ResolveTCPAddr("tcp", address)
		if err != nil {
			return nil, err
		}
		if n := slices.IndexFunc(in.listeners, func(l net.Listener) bool { return fits(l.Addr(), want) }); n >= 0 {
			l := in.listeners[n]
			in.listeners = slices.Delete(in.listeners, n, n+1)
			return l, nil
		}
	}
	return new(net.ListenConfig).Listen(ctx, "tcp", address)
}

// fits reports whether a listener's address is the one that was asked for. The addresses that
// stand for all of a machine's are one.
func fits(has net.Addr, want *net.TCPAddr) bool {
	at, ok := has.(*net.TCPAddr)
	everywhere := func(ip net.IP) bool { return len(ip) == 0 || ip.IsUnspecified() }
	return ok && at.Port == want.Port && (at.IP.Equal(want.IP) || everywhere(at.IP) && everywhere(want.IP))
}

// CloseRest closes the listeners that nobody asked for, and returns their addresses.
func (in *Inherited) CloseRest() (addresses []string) {
	if in == nil {
		return nil
	}
	for _, l := range in.listeners {
		addresses = append(addresses, l.Addr().String())
		_ = l.Close() // nobody has accepted from it
	}
	in.listeners = nil
	return addresses
}
