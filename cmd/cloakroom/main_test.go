package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"
	"testing"

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
	testscript.Run(t, testscript.Params{Dir: "testdata"})
}
