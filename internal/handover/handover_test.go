package handover

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// begin starts the test binary in a part, with a listener of this process.
func begin(t *testing.T, part string) (*Successor, net.Listener) {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	env := append(os.Environ(), play+"="+part, "ADDRESS="+l.Addr().String(), "LISTEN_FDS=77")
	s, err := Start(Command{Path: os.Args[0], Args: os.Args[:1], Env: env, Stderr: os.Stderr}, []net.Listener{l})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = s.cmd.Process.Kill()
		<-s.Ended()
	})
	return s, l
}

func TestTheNewProcessGetsListenerAndStore(t *testing.T) {
	t.Parallel()
	s, l := begin(t, "serves")
	e := &estate{t: t}
	if err := s.Await(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	if want := []string{"give /the/file", "borrow"}; !slices.Equal(e.told, want) {
		t.Errorf("the estate was told %q, want %q", e.told, want)
	}
	said := make([]byte, 4)
	if _, err := io.ReadFull(e.conn, said); err != nil || string(said) != "lent" {
		t.Errorf("on the store's connection: %q, %v", said, err)
	}
	_ = l.Close() // from now on only the new process listens
	c, err := new(net.Dialer).DialContext(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got, err := io.ReadAll(c); err != nil || string(got) != "new" {
		t.Errorf("served %q, %v", got, err)
	}
	s.close() // as this process's end does
	select {
	case <-s.Ended():
		if s.exit != nil {
			t.Errorf("the new process: %v", s.exit)
		}
	case <-time.After(10 * time.Second):
		t.Error("the new process does not hear that the old one is gone")
	}
}

func TestAProcessThatFailsGivesEverythingBack(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		part string
		told string
	}{
		{"fails at once", ""},
		{"fails with the store", "give /the/file, take back"},
		{"speaks out of turn", "give /the/file, take back"},
		{"fails after that", "give /the/file, borrow, take back"},
	} {
		t.Run(row.part, func(t *testing.T) {
			t.Parallel()
			s, l := begin(t, row.part)
			e := &estate{t: t}
			if err := s.Await(t.Context(), e); err == nil {
				t.Fatal("it was taken for good")
			}
			<-s.Ended()
			if got := strings.Join(e.told, ", "); got != row.told {
				t.Errorf("the estate was told %q, want %q", got, row.told)
			}
			accepted := make(chan error, 1)
			go func() {
				c, err := l.Accept()
				if err == nil {
					err = c.Close()
				}
				accepted <- err
			}()
			c, err := new(net.Dialer).DialContext(t.Context(), "tcp", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if err := <-accepted; err != nil {
				t.Errorf("the listener of this process: %v", err)
			}
		})
	}
}

func TestAHandOverThatNobodyWaitsForIsGivenUp(t *testing.T) {
	t.Parallel()
	s, _ := begin(t, "serves")
	ctx, leave := context.WithCancel(t.Context())
	leave()
	if err := s.Await(ctx, &estate{t: t}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	<-s.Ended()
}

func TestOnlyWhatIsMeantForThisProcessIsTaken(t *testing.T) {
	t.Parallel()
	own := "LISTEN_PID=" + strconv.Itoa(os.Getpid())
	for _, row := range []struct {
		name    string
		environ []string
		fails   bool
	}{
		{"nothing", nil, false},
		{"another process's", []string{"LISTEN_PID=1", "LISTEN_FDS=1"}, false},
		{"nobody's", []string{"LISTEN_FDS=1", "LISTEN_FDNAMES=http"}, false},
		{"no number", []string{own, "LISTEN_FDS=x"}, true},
		{"none at all", []string{own}, true},
		{"too many", []string{own, "LISTEN_FDS=100000"}, true},
	} {
		in, err := Inherit(row.environ)
		if in != nil || (err != nil) != row.fails {
			t.Errorf("%s: %v, %v", row.name, in, err)
		}
	}
}

func TestAnAddressFindsItsListener(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		has, want string
		fits      bool
	}{
		{"127.0.0.1:8080", "127.0.0.1:8080", true},
		{"127.0.0.1:8080", "localhost:8080", true},
		{"[::]:8080", ":8080", true},
		{"0.0.0.0:8080", ":8080", true},
		{"[::]:8080", "127.0.0.1:8080", false},
		{"127.0.0.1:8080", ":8080", false},
		{"127.0.0.1:8080", "127.0.0.1:8081", false},
	} {
		has, err := net.ResolveTCPAddr("tcp", row.has)
		if err != nil {
			t.Fatal(err)
		}
		want, err := net.ResolveTCPAddr("tcp", row.want)
		if err != nil {
			t.Fatal(err)
		}
		if got := fits(has, want); got != row.fits {
			t.Errorf("%s for %s: %v", row.has, row.want, got)
		}
	}
	if fits(&net.UnixAddr{Name: "/run/s"}, &net.TCPAddr{Port: 1}) {
		t.Error("a socket in the file system stands for a port")
	}
}

func TestSystemdHearsHowItIs(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "notify")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := Notify(t.Context(), []string{"NOTIFY_SOCKET=" + path}, "READY=1", "MAINPID=7"); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 100)
	n, err := l.Read(got)
	if err != nil || string(got[:n]) != "READY=1\nMAINPID=7" {
		t.Errorf("%q, %v", got[:n], err)
	}
	if err := Notify(t.Context(), []string{"HOME=/"}, "READY=1"); err != nil {
		t.Error(err)
	}
	if err := Notify(t.Context(), []string{"NOTIFY_SOCKET=" + path + "-gone"}, "READY=1"); err == nil {
		t.Error("nobody heard, and nobody says so")
	}
}
