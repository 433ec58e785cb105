// Package sockets measures what open WebSockets cost that nobody says anything on: a chat, a
// board, a page that waits for news in ten thousand tabs.
//
//	open all ─▶ say nothing ─▶ a word on each, and its echo ─▶ close all
//
// What the gateway holds is read in between; each WebSocket is two connections of its process.
package sockets

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/net/websocket"

	"github.com/cloakroom-bff/cloakroom/bench/fill"
	"github.com/cloakroom-bff/cloakroom/bench/report"
	"github.com/cloakroom-bff/cloakroom/bench/rig"
	"github.com/cloakroom-bff/cloakroom/bench/stage"
	"github.com/cloakroom-bff/cloakroom/internal/config"
)

// Crowd is a whole measurement.
type Crowd struct {
	When    time.Time      `json:"when"`
	Machine report.Machine `json:"machine"`

	Sockets int           `json:"sockets"`   // fewer than were asked for, where the machine allows fewer files
	Opened  time.Duration `json:"opened_ns"` // how long it took to open them
	Before  rig.Held      `json:"before"`
	Open    rig.Held      `json:"open"`
	Idle    rig.Held      `json:"idle"`          // after they have said nothing for a while
	CPU     float64       `json:"idle_cpu"`      // the share of a core that they cost meanwhile
	Alive   int           `json:"alive"`         // that answered a message in the end
	After   rig.Held      `json:"after_closing"` // a moment after all were closed
}

// plan is what is done.
type plan struct {
	sockets, sessions int
	idle              time.Duration
	binary, file      string
	most              int64
}

// Command measures what the arguments say.
func Command(ctx context.Context, args []string, stdout io.Writer) (err error) {
	flags := flag.NewFlagSet("bench sockets", flag.ContinueOnError)
	var p plan
	flags.IntVar(&p.sockets, "n", 10_000, "how many WebSockets")
	flags.IntVar(&p.sessions, "sessions", 1000, "of how many sessions")
	flags.DurationVar(&p.idle, "idle", 30*time.Second, "how long they say nothing")
	flags.Int64Var(&p.most, "most", 0, "fail if the gateway holds more MiB than this; 0: never")
	flags.StringVar(&p.binary, "gateway", "", "the gateway's `program`; without it: that of this tree")
	flags.StringVar(&p.file, "json", "", "write the figures into this `file`, too")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 || p.sockets < 1 || p.sessions < 1 {
		return errors.New("write such as -n 10000 -sessions 1000")
	}
	// The gateway has two descriptors for each, and inherits what this process may have.
	if p.sockets, err = mayOpen(p.sockets); err != nil {
		return err
	}
	st, err := stage.New(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	if p.binary == "" {
		if p.binary, err = st.Build(ctx); err != nil {
			return err
		}
	}
	c, err := p.run(ctx, st)
	if err != nil {
		return err
	}
	if err := c.WriteText(stdout); err != nil {
		return err
	}
	if mib := c.Idle.RSS >> 20; p.most > 0 && mib > p.most {
		err = fmt.Errorf("the gateway holds %d MiB, more than %d", mib, p.most)
	}
	return errors.Join(err, rig.Save(p.file, c))
}

// besides is how many files are open that are no WebSocket's.
const besides = 200

// mayOpen raises the limit of open files, for this process and those that it starts, and
// returns for how many WebSockets it is enough: of a machine that allows fewer, for as many
// as it does.
func mayOpen(sockets int) (enough int, err error) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, err
	}
	files := uint64(2*sockets + besides) //nolint:gosec // positive
	raised := syscall.Rlimit{Cur: max(limit.Cur, files), Max: max(limit.Max, files)}
	if syscall.Setrlimit(syscall.RLIMIT_NOFILE, &raised) == nil {
		return sockets, nil
	}
	limit.Cur = limit.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, fmt.Errorf("the limit of open files: %w", err)
	}
	if limit.Max < 2*besides {
		return 0, fmt.Errorf("%d files may be open, too few: raise ulimit -n", limit.Max)
	}
	return min(sockets, int(limit.Max-besides)/2), nil //nolint:gosec // a limit of files
}

func (p plan) run(ctx context.Context, st *stage.Stage) (*Crowd, error) {
	idp, err := rig.NewProvider(ctx, time.Hour)
	if err != nil {
		return nil, err
	}
	defer idp.Close()
	setting := rig.Setting{
		Binary: p.binary, Dir: st.Dir, Issuer: idp.URL, Upstream: st.Upstream,
		Store: "bolt:" + filepath.Join(st.Dir, "sockets.db"), Key: config.NewKey(),
	}
	var tickets bytes.Buffer
	f := fill.Filling{Store: setting.Store, Keys: []string{setting.Key}, Issuer: idp.URL, Client: rig.Client, Sessions: p.sessions}
	if err := f.Run(ctx, &tickets); err != nil {
		return nil, err
	}
	g, err := rig.Start(ctx, setting)
	if err != nil {
		return nil, err
	}
	defer g.Stop()
	c := &Crowd{When: time.Now(), Machine: report.ThisMachine(), Sockets: p.sockets}
	if c.Before, err = g.Held(ctx); err != nil {
		return nil, err
	}
	began := time.Now()
	open, err := dialAll(ctx, g.Origin, p.sockets, strings.Fields(tickets.String()))
	defer func() { closeAll(open) }()
	if err != nil {
		return nil, err
	}
	c.Opened = time.Since(began)
	if err := p.wait(ctx, g, c); err != nil {
		return nil, err
	}
	c.Alive = echo(open)
	closeAll(open)
	open = nil
	pause(ctx, 3*time.Second)
	if c.After, err = g.Held(ctx); err != nil {
		return nil, err
	}
	if c.Alive < p.sockets {
		return nil, fmt.Errorf("%d of %d WebSockets are alive", c.Alive, p.sockets)
	}
	return c, ctx.Err()
}

// wait reads what the gateway holds, and uses, while nothing is said.
func (p plan) wait(ctx context.Context, g *rig.Gateway, c *Crowd) (err error) {
	if c.Open, err = g.Held(ctx); err != nil {
		return err
	}
	before, err := g.CPU()
	if err != nil {
		return err
	}
	began := time.Now()
	pause(ctx, p.idle)
	after, err := g.CPU()
	if err != nil {
		return err
	}
	c.CPU = (after - before).Seconds() / time.Since(began).Seconds()
	c.Idle, err = g.Held(ctx)
	return err
}

// abreast is how many are opened at a time.
const abreast = 64

func dialAll(ctx context.Context, origin string, n int, tickets []string) (open []*websocket.Conn, err error) {
	u, err := url.Parse(origin)
	if err != nil {
		return nil, err
	}
	all := make([]*websocket.Conn, n)
	failures := make([]error, abreast)
	var dialling sync.WaitGroup
	for w := range abreast {
		dialling.Go(func() {
			for i := w; i < n && failures[w] == nil; i += abreast {
				all[i], failures[w] = dial(ctx, u, tickets[i%len(tickets)])
			}
		})
	}
	dialling.Wait()
	for _, c := range all {
		if c != nil {
			open = append(open, c)
		}
	}
	return open, errors.Join(failures...)
}

func dial(ctx context.Context, u *url.URL, ticket string) (*websocket.Conn, error) {
	cfg, err := websocket.NewConfig("ws://"+u.Host+"/api/ws", "http://"+u.Host)
	if err != nil {
		return nil, err
	}
	cfg.Header = http.Header{"Cookie": {ticket}}
	ctx, late := context.WithTimeout(ctx, 30*time.Second)
	defer late()
	return cfg.DialContext(ctx)
}

// echo says one word on each, and returns how many answer.
func echo(open []*websocket.Conn) (alive int) {
	answer := make([]byte, 2)
	for _, c := range open {
		if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
			continue
		}
		if _, err := io.WriteString(c, "hi"); err != nil {
			continue
		}
		if _, err := io.ReadFull(c, answer); err == nil && string(answer) == "hi" {
			alive++
		}
	}
	return alive
}

func closeAll(open []*websocket.Conn) {
	for _, c := range open {
		_ = c.Close() // everything has been said
	}
}

func pause(ctx context.Context, d time.Duration) {
	late := time.NewTimer(d)
	defer late.Stop()
	select {
	case <-late.C:
	case <-ctx.Done():
	}
}

// WriteText writes the figures as a table.
func (c *Crowd) WriteText(w io.Writer) error {
	var text strings.Builder
	fmt.Fprintf(&text, "%s WebSockets, opened in %.1f s\n%-24s %9s %9s %11s %9s\n", report.Thousands(c.Sockets), c.Opened.Seconds(), "", "RSS MiB", "heap MiB", "goroutines", "files")
	for _, row := range []struct {
		name string
		held rig.Held
	}{{"before", c.Before}, {"open", c.Open}, {"idle for a while", c.Idle}, {"closed", c.After}} {
		fmt.Fprintf(&text, "%-24s %9d %9d %11d %9d\n", row.name, row.held.RSS>>20, row.held.Heap>>20, row.held.Goroutines, row.held.Files)
	}
	fmt.Fprintf(&text, "%.1f KiB each; idle they cost %.1f %% of a core; %d answered in the end\n", float64(c.Idle.RSS-c.Before.RSS)/1024/float64(c.Sockets), 100*c.CPU, c.Alive)
	_, err := io.WriteString(w, text.String())
	return err
}
