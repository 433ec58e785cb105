// Command bench measures what the gateway costs: the CPU time of its processes for each
// request, held against that of a bare httputil.ReverseProxy with a tuned transport, which
// checks nothing, and against other gateways. All stand before the same upstream on loopback
// and get the same load in turns, so that the ratios hold although machines are noisy.
//
//	go run ./bench                      a signed-in call: the gateway of this tree
//	go run ./bench -gateway old=/tmp/a -gateway new=/tmp/b
//	                                    several binaries in the same rounds
//	go run ./bench -case ./bench -list  other cases
//	go run ./bench -core                a dozen cells with all peers, in three minutes
//	go run ./bench -matrix              all that docs/performance.md has, in half an hour
//	go run ./bench page                 the same, written into docs/performance.md
//	go run ./bench profile              cmd/cloakroom/default.pgo anew
//	go run ./bench fill -store bolt:sessions.db -keys KEY -n 1000000 > cookies.txt
//	go run ./bench scale                a thousand to a million sessions, in bbolt and in Redis
//	go run ./bench storm                50,000 tokens that run out within a minute
//	go run ./bench soak                 an hour of logins, calls, refreshes, streams and logouts
//	go run ./bench sockets              10,000 WebSockets on which nothing is said
//
// It needs Linux, where the CPU time is read from, and wrk; for all cells also nginx,
// redis-server, h2load and Apache with mod_auth_openidc. What is missing is left out, and
// named at the end.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/cloakroom-bff/cloakroom/bench/scale"
	"github.com/cloakroom-bff/cloakroom/bench/soak"
	"github.com/cloakroom-bff/cloakroom/bench/sockets"
	"github.com/cloakroom-bff/cloakroom/bench/stage"
	"github.com/cloakroom-bff/cloakroom/bench/storm"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run carries out the command that the first argument names.
func run(ctx context.Context, args []string, stdout io.Writer) error {
	if len(args) == 0 {
		return compareCommand(ctx, args, stdout)
	}
	switch args[0] {
	case "fill":
		return fillCommand(ctx, args[1:], stdout)
	case "profile":
		return profileCommand(ctx, args[1:], stdout)
	case "page":
		return pageCommand(ctx, args[1:], stdout)
	case "scale":
		return scale.Command(ctx, args[1:], stdout)
	case "soak":
		return soak.Command(ctx, args[1:], stdout)
	case "sockets":
		return sockets.Command(ctx, args[1:], stdout)
	case "storm":
		return storm.Command(ctx, args[1:], stdout)
	case "part": // of this program, which it has started itself
		if len(args) < 3 {
			return errors.New("which part, and at which address?")
		}
		return stage.ServePart(ctx, args[1], args[2:]...)
	}
	return compareCommand(ctx, args, stdout)
}
