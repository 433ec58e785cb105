package main

import (
	"context"
	"io"
	"net"
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"cloakroom": func() {
			ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			os.Exit(run(ctx, os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr))
		},
	})
}

func TestAnAddressThatTheDemoRefusesIsWrongUsage(t *testing.T) {
	t.Parallel()
	for _, listen := range []string{"0.0.0.0:0", "example.com:80", "8080"} {
		if code := run(t.Context(), []string{"demo", "--listen", listen}, nil, nil, io.Discard, io.Discard); code != exitUsage {
			t.Errorf("%s: exit code %d", listen, code)
		}
	}
}

// The command line as its users see it: each file in testdata is a transcript.
func TestCommandLine(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(env *testscript.Env) error {
			l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
			if err != nil {
				return err
			}
			env.Setenv("ADMIN", l.Addr().String()) // free for a gateway of the script's own
			return l.Close()
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"listening": listening},
	})
}

// listening waits until somebody listens at an address.
func listening(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: listening address")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for {
		c, err := new(net.Dialer).DialContext(ctx, "tcp", args[0])
		if err == nil {
			ts.Check(c.Close())
			return
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			ts.Fatalf("nobody listens at %s: %v", args[0], err)
		}
	}
}
