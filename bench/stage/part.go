package stage

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/cloakroom-bff/cloakroom/bench/process"
)

// ServePart is one of the processes that are this program again: it listens at an address
// as the part that is named, until ctx ends.
func ServePart(ctx context.Context, address string, args ...string) error {
	switch {
	case len(args) == 1 && args[0] == "upstream":
		return serve(ctx, address, NewUpstream())
	case (len(args) == 3 || len(args) == 5) && args[0] == "bare":
		u, err := url.Parse(args[1])
		if err != nil {
			return err
		}
		return serve(ctx, address, NewBare(u, args[2] == "tuned"), args[3:]...)
	}
	return fmt.Errorf("no part of this program is called %q", args)
}

// serve serves until ctx ends; over TLS if it is given the files of a certificate and its key.
func serve(ctx context.Context, address string, h http.Handler, pair ...string) error {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return err
	}
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	defer context.AfterFunc(ctx, func() { _ = srv.Close() })() // nobody is left to be answered
	listen := func() error { return srv.Serve(l) }
	if len(pair) == 2 {
		listen = func() error { return srv.ServeTLS(l, pair[0], pair[1]) }
	}
	if err := listen(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func measured(p ...*process.Process) []*process.Process { return p }
