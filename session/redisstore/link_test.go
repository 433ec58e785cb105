//go:build e2e

package redisstore

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cloakroom-bff/cloakroom/session"
)

// wire is a line to a server that can be cut in the middle of a call.
type wire struct {
	listener net.Listener
	server   string
	cut      atomic.Bool // cut the line when the client says something more, once
	cuts     atomic.Int64
	group    sync.WaitGroup
}

func newWire(t *testing.T, server string) *wire {
	t.Helper()
	var config net.ListenConfig
	l, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	must(t, err)
	w := &wire{listener: l, server: server}
	w.group.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			w.group.Go(func() { w.join(client) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		w.group.Wait()
	})
	return w
}

// join copies both ways until either end, or the cut.
func (w *wire) join(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", w.server)
	if err != nil {
		return
	}
	defer server.Close()
	w.group.Go(func() {
		_, _ = io.Copy(client, server) // It ends with either.
		client.Close()
	})
	for buf := make([]byte, 64<<10); ; {
		n, err := client.Read(buf)
		if err != nil {
			return
		}
		if w.cut.CompareAndSwap(true, false) {
			w.cuts.Add(1)
			return
		}
		if _, err := server.Write(buf[:n]); err != nil {
			return
		}
	}
}

func TestAReadOnADeadConnectionIsMadeOnANewOne(t *testing.T) {
	t.Parallel()
	w := newWire(t, redis(t).addr())
	s := newStore(t, "redis://"+w.listener.Addr().String())
	heard := listen(s)
	r := record(1, "here")
	r.Index = []session.Key{{1}}
	must(t, s.Create(t.Context(), r))
	for range 20 {
		w.cut.Store(true)
		if _, err := s.Load(t.Context(), r.ID); err != nil {
			t.Fatal(err)
		}
		w.cut.Store(true)
		if found, err := s.Find(t.Context(), r.Index[0]); err != nil || len(found) != 1 {
			t.Fatal(len(found), err)
		}
	}
	if n := w.cuts.Load(); n < 20 {
		t.Errorf("the line was cut %d times only", n)
	}
	eventually(t, beat, "everything is dropped when the line is cut", func() bool { return heard.has(session.ID{}) })
}

func TestAWriteOnADeadConnectionIsNotRepeated(t *testing.T) {
	t.Parallel()
	w := newWire(t, redis(t).addr())
	s := newStore(t, "redis://"+w.listener.Addr().String())
	r := record(1, "here")
	must(t, s.Create(t.Context(), r))
	failed := 0
	for r.Version = 1; r.Version < 20; {
		w.cut.Store(true)
		err := s.Replace(t.Context(), r)
		if err != nil {
			failed++
			w.cut.Store(false)
			got, err := s.Load(t.Context(), r.ID) // The caller reads again.
			must(t, err)
			if got.Version != r.Version {
				t.Fatalf("version %d, want %d: what was cut off before the server has happened", got.Version, r.Version)
			}
			must(t, s.Replace(t.Context(), r))
		}
		r.Version++
	}
	if failed < 10 {
		t.Errorf("only %d writes met the cut", failed)
	}
}
