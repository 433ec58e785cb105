//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// While requests come in at a steady pace, tokens are refreshed and streams are open, the
// configuration changes a hundred times and the binary twice. No request fails, and no stream
// ends before its session does, in whatever process it lives.
func TestNothingIsLostWhileConfigurationAndBinaryChange(t *testing.T) {
	const reloads = 100
	rate := 300
	if long() {
		rate = 1000
	}
	for _, bolt := range []bool{true, false} {
		t.Run(map[bool]string{true: "bbolt", false: "Redis"}[bolt], func(t *testing.T) {
			f := launch(t, setting{
				scenario: "reloads and restarts under load", bolt: bolt, log: "info",
				routes:  fmt.Sprintf("  - {path: /live/, upstream: %q}\n  - {path: /round/, upstream: UPSTREAM, access: public, token: none, headers: {set: {X-User: round-0}}}", startStreams(t)),
				prepare: func(f *fleet) { f.replicas[0].ownBinary() },
			})
			f.tokensLast(3 * time.Second)
			p := &stagehand{fleet: f, gateway: f.replicas[0]}
			p.pid = p.cmd.Process.Pid
			tickets := f.signInAll(10)
			old := f.openAll(p.gateway, tickets[0])
			stop := p.steady(tickets, rate)
			var middle []*watched
			var second int
			for n := 1; n <= reloads; n++ {
				p.reload(n)
				switch n {
				case reloads / 3:
					p.restart()
					middle, second = f.openAll(p.gateway, tickets[1]), p.pid
				case reloads * 2 / 3:
					p.restart()
				}
			}
			all, slowest := stop()
			f.remark = fmt.Sprintf("%d requests, %d reloads, 2 restarts; the slowest answer came after %v", all.count(), reloads, slowest.Round(time.Millisecond))
			t.Log(f.remark)
			for answer, n := range all {
				if answer != "200" {
					t.Errorf("%d requests got %s", n, answer)
				}
			}
			if slowest > 2*time.Second { // the processors are shared with client, upstream and provider
				t.Errorf("an answer took %v", slowest)
			}
			for _, w := range append(slices.Clone(old), middle...) {
				select {
				case got := <-w.end:
					t.Fatalf("the %s ended: %q\n%s", w.name, got, tail(p.log()))
				default:
				}
			}
			// The first process has lent the store from the second, which has it from the third.
			for i, streams := range [][]*watched{old, middle} {
				began := time.Now()
				if a := f.ask(t.Context(), p.gateway, tickets[i], http.MethodPost, "/bff/logout"); a.status != http.StatusOK {
					t.Fatalf("the logout got %v", a)
				}
				f.over(streams, began)
			}
			f.client.CloseIdleConnections()
			(&http.Client{}).CloseIdleConnections() // the front's are of the default transport
			eventually(t, 10*time.Second, "the first process ends", func() bool {
				select {
				case <-p.gone:
					if p.exit != nil {
						t.Fatalf("the first process ended badly: %v\n%s", p.exit, tail(p.log()))
					}
					return true
				default:
					return false
				}
			})
			eventually(t, 10*time.Second, "the second process ends, too", func() bool { return !runs(second) })
			f.presentedOnce()
		})
	}
}

// A new binary that does not start changes nothing; the one that is mended takes over.
func TestABinaryThatFailsLeavesTheOldProcessAsItWas(t *testing.T) {
	t.Parallel()
	everyStore(t, func(t *testing.T, bolt bool) {
		f := launch(t, setting{scenario: "a restart that fails", bolt: bolt, prepare: func(f *fleet) { f.replicas[0].ownBinary() }})
		p := &stagehand{fleet: f, gateway: f.replicas[0]}
		p.pid = p.cmd.Process.Pid
		ticket := f.signIn("user00")
		config := filepath.Join(p.dir, "config.yaml")
		good, err := os.ReadFile(config)
		if err != nil {
			t.Fatal(err)
		}
		taken := fmt.Sprintf("%q", port127(f.provider.URL)) // as a listener, after the store is open
		for i, broken := range []func(){
			func() { p.replace([]byte("#!/bin/sh\nexit 3\n")) },
			func() { p.replace([]byte("#!/bin/sh\necho no cloakroom; sleep 5 & kill $$\n")) },
			func() { p.ownBinary(); p.write("config.yaml", []byte("no: configuration\n")) },
			func() {
				p.write("config.yaml", regexp.MustCompile(`admin: \{listen: "[^"]*"`).ReplaceAll(good, []byte("admin: {listen: "+taken)))
			},
		} {
			broken()
			p.signal(syscall.SIGUSR2)
			eventually(t, 20*time.Second, "the failure is in the log", func() bool {
				return strings.Count(string(p.log()), "restart: the new process has failed") == i+1
			})
			if a := f.ask(t.Context(), p.gateway, f.signIn(fmt.Sprintf("user%02d", i)), http.MethodGet, "/api/orders"); a.status != http.StatusOK {
				t.Errorf("after failure %d a call got %v\n%s", i+1, a, a.body)
			}
		}
		p.write("config.yaml", good)
		p.restart()
		if a := f.ask(t.Context(), p.gateway, ticket, http.MethodPost, "/bff/refresh"); a.status != http.StatusOK {
			t.Errorf("after the restart a refresh got %v\n%s", a, a.body)
		}
	})
}

// ownBinary gives the gateway a binary that can be replaced.
func (g *gateway) ownBinary() {
	g.t.Helper()
	data, err := os.ReadFile(binary)
	if err != nil {
		g.t.Fatal(err)
	}
	g.replace(data)
}

// replace puts another program in the place of the gateway's binary, as a package manager does.
func (g *gateway) replace(program []byte) {
	g.t.Helper()
	g.program = filepath.Join(g.dir, "cloakroom")
	fresh := g.program + ".new"
	if err := os.WriteFile(fresh, program, 0o700); err != nil {
		g.t.Fatal(err)
	}
	if err := os.Rename(fresh, g.program); err != nil {
		g.t.Fatal(err)
	}
}

// A stagehand changes a gateway while the play goes on.
type stagehand struct {
	*fleet
	*gateway
	pid int // of the process that has the listeners
}

func (p *stagehand) signal(s syscall.Signal) {
	p.gateway.t.Helper()
	if err := syscall.Kill(p.pid, s); err != nil {
		p.gateway.t.Fatal(err)
	}
}

// reload changes a route, and waits until the change counts.
func (p *stagehand) reload(n int) {
	t := p.gateway.t
	t.Helper()
	file := filepath.Join(p.dir, "config.yaml")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	round := fmt.Sprintf("round-%d}", n)
	p.write("config.yaml.new", regexp.MustCompile(`round-\d+\}`).ReplaceAll(text, []byte(round)))
	if err := os.Rename(file+".new", file); err != nil {
		t.Fatal(err)
	}
	if n%10 != 0 { // else the change itself has to be noticed
		p.signal(syscall.SIGHUP)
	}
	eventually(t, 20*time.Second, "the new route counts", func() bool {
		a := p.ask(t.Context(), p.gateway, "", http.MethodGet, "/round/")
		return strings.Contains(a.body, strings.TrimSuffix(round, "}")+`"`)
	})
}

var newPID = regexp.MustCompile(`restart: a new process serves","pid":(\d+)`)

// restart replaces the binary and the process.
func (p *stagehand) restart() {
	t := p.gateway.t
	t.Helper()
	p.ownBinary()
	before := len(newPID.FindAllSubmatch(p.log(), -1))
	p.signal(syscall.SIGUSR2)
	var found [][][]byte
	eventually(t, 30*time.Second, "a new process serves", func() bool {
		found = newPID.FindAllSubmatch(p.log(), -1)
		return len(found) > before
	})
	pid, err := strconv.Atoi(string(found[before][1]))
	if err != nil {
		t.Fatal(err)
	}
	p.pid = pid
	t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGKILL) })
}

// steady calls the app so many times a second, until stop is called; it returns what the calls
// got, and how long the slowest one took.
func (p *stagehand) steady(tickets []string, rate int) (stop func() (tally, time.Duration)) {
	ctx, cancel := context.WithCancel(p.gateway.t.Context())
	var mu sync.Mutex
	all, slowest := tally{}, time.Duration(0)
	ways := []struct{ method, path string }{
		{http.MethodGet, "/api/orders"},
		{http.MethodPost, "/api/orders"},
		{http.MethodGet, "/bff/session"},
		{http.MethodGet, "/api/orders/1"},
		{http.MethodGet, "/"},
		{http.MethodGet, "/bff/user"},
	}
	var running sync.WaitGroup
	running.Go(func() {
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for began, sent := time.Now(), 0; ; {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
			for ; sent < int(time.Since(began).Seconds()*float64(rate)); sent++ {
				n := sent
				running.Go(func() {
					way, began := ways[n%len(ways)], time.Now()
					a := p.ask(context.WithoutCancel(ctx), p.gateway, tickets[n%len(tickets)], way.method, way.path)
					took := time.Since(began)
					mu.Lock()
					defer mu.Unlock()
					if all[a.String()]++; a.err != nil {
						all[a.err.Error()]++
					}
					slowest = max(slowest, took)
				})
			}
		}
	})
	return func() (tally, time.Duration) {
		cancel()
		running.Wait()
		return maps.Clone(all), slowest
	}
}

// runs says whether there is such a process that is not over.
func runs(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !bytes.Contains(stat, []byte(") Z "))
}

// count is the number of all answers.
func (c tally) count() (n int) {
	for _, m := range c {
		n += m
	}
	return n
}

// tail is the end of a log.
func tail(log []byte) []byte { return log[max(0, len(log)-4000):] }

// presentedOnce says that the provider has never seen a refresh token twice.
func (f *fleet) presentedOnce() {
	f.t.Helper()
	if got := f.provider.Stats(); got.Reuses != 0 || got.MaxPresentations > 1 {
		f.t.Errorf("the provider counts %d reuses, %d presentations of one refresh token", got.Reuses, got.MaxPresentations)
	}
}
