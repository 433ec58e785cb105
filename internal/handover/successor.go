package handover

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Command is the program to start.
type Command struct {
	Path   string   // of the binary, which may be another one than this process runs
	Args   []string // with the program's name
	Env    []string
	Stdout *os.File // nil: nowhere
	Stderr *os.File // nil: nowhere
}

// Estate is what the old process has and the new one needs, beside the listeners. Its methods
// are called one after the other.
type Estate interface {
	// Give closes the store file at a path and holds up whoever needs it, until Borrow or
	// TakeBack. It returns false, and does nothing, if that is none of the estate's.
	Give(path string) (given bool, err error)

	// Borrow says that the new process has opened the file, and lends it on a connection.
	Borrow(conn net.Conn)

	// TakeBack says that the new process has failed after Give: the file is free.
	TakeBack() error
}

// Successor is a process that is to take the place of this one.
type Successor struct {
	cmd   *exec.Cmd
	talk  net.Conn
	store net.Conn
	ended chan struct{} // closed when the process is over
	exit  error         // how; read it after ended
}

// Start starts the program with these listeners. They stay open here, too.
func Start(c Command, listeners []net.Listener) (*Successor, error) {
	s := &Successor{ended: make(chan struct{})}
	var files []*os.File
	var names []string
	defer func() {
		for _, f := range files {
			_ = f.Close() // the child has its own
		}
	}()
	for _, l := range listeners {
		has, ok := l.(interface{ File() (*os.File, error) })
		if !ok {
			return nil, fmt.Errorf("handover: the listener at %s cannot be handed over", l.Addr())
		}
		f, err := has.File()
		if err != nil {
			return nil, fmt.Errorf("handover: the listener at %s: %w", l.Addr(), err)
		}
		files, names = append(files, f), append(names, "listener")
	}
	for _, end := range []struct {
		name string
		conn *net.Conn
	}{{talkName, &s.talk}, {storeName, &s.store}} {
		ours, theirs, err := pair()
		if err != nil {
			s.close()
			return nil, err
		}
		*end.conn = ours
		files, names = append(files, theirs), append(names, end.name)
	}
	s.cmd = exec.Command(c.Path) //nolint:gosec,noctx // the operator's own program, which outlives this one
	s.cmd.Args, s.cmd.ExtraFiles = c.Args, files
	if c.Stdout != nil {
		s.cmd.Stdout = c.Stdout
	}
	if c.Stderr != nil {
		s.cmd.Stderr = c.Stderr
	}
	s.cmd.Env = append(slices.DeleteFunc(slices.Clone(c.Env), func(line string) bool { return strings.HasPrefix(line, "LISTEN_") }),
		"LISTEN_FDS="+strconv.Itoa(len(files)), "LISTEN_FDNAMES="+strings.Join(names, ":"))
	if err := s.cmd.Start(); err != nil {
		s.close()
		return nil, fmt.Errorf("handover: %w", err)
	}
	go func() {
		defer close(s.ended)
		s.exit = s.cmd.Wait()
		_ = s.talk.Close() // a child of its own may have the other end
	}()
	return s, nil
}

// PID is the number of the process.
func (s *Successor) PID() int { return s.cmd.Process.Pid }

// Ended is closed when the process is over.
func (s *Successor) Ended() <-chan struct{} { return s.ended }

// Await gives the process what it asks for and returns nil when it serves. If it does not come
// to that, or ctx ends, the process is ended, the estate is what it was, and the error says why.
func (s *Successor) Await(ctx context.Context, e Estate) error {
	stop := context.AfterFunc(ctx, func() { _ = s.talk.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	given, err := s.converse(ctx, e)
	if err == nil {
		return nil
	}
	err = errors.Join(s.end(err), ctx.Err())
	if given {
		err = errors.Join(err, e.TakeBack())
	}
	return err
}

// converse does what the process asks for until it is ready.
func (s *Successor) converse(ctx context.Context, e Estate) (given bool, err error) {
	in, out := json.NewDecoder(s.talk), json.NewEncoder(s.talk)
	limit := readyWithin
	for {
		if err := s.talk.SetReadDeadline(time.Now().Add(limit)); err != nil || ctx.Err() != nil {
			return given, errors.Join(err, ctx.Err())
		}
		var m message
		if err := in.Decode(&m); err != nil {
			return given, err
		}
		limit = readyWithin
		switch {
		case m.Word == ready:
			return given, nil
		case m.Word == wantStore && !given:
			if given, err = e.Give(m.Path); err != nil {
				return given, err
			}
			answer := message{Word: storeOther}
			if given {
				answer.Word, limit = storeGiven, openWithin
			}
			if err := out.Encode(answer); err != nil {
				return given, err
			}
		case m.Word == storeOpen && given:
			e.Borrow(s.store)
			s.store = nil // the estate's
		default:
			return given, fmt.Errorf("it said %q, which is not its turn", m.Word)
		}
	}
}

// end ends a process that has not come so far, and tells how it ended.
func (s *Successor) end(why error) error {
	patience := time.NewTimer(endWithin)
	defer patience.Stop()
	s.close() // a process that waits for an answer hears that there is none
	select {
	case <-s.ended:
	case <-patience.C:
		_ = s.cmd.Process.Kill() // an error says that it is over
		<-s.ended
	}
	if s.exit != nil {
		return fmt.Errorf("handover: the new process ended before it was ready: %w", s.exit)
	}
	return fmt.Errorf("handover: the new process was not ready: %w", why)
}

func (s *Successor) close() {
	for _, c := range []net.Conn{s.talk, s.store} {
		if c != nil {
			_ = c.Close()
		}
	}
}
