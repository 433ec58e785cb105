//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// beUpstream is the name of the variable that makes an upstream of this program: a process
// that can be killed as one is. Its value is the address and the file of the requests' ids.
const beUpstream = "E2E_BE_UPSTREAM"

// serveUpstream answers each request a moment after it has come whole, and notes its id
// first.
func serveUpstream(address, file string) error {
	notes, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	server := &http.Server{Addr: address, ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		_, _ = fmt.Fprintf(notes, "%s %d\n", r.Header.Get("X-Id"), len(body))
		<-time.After(3 * time.Millisecond)
		_, _ = io.WriteString(w, address)
	})}
	return server.ListenAndServe()
}

// A mortal is an upstream in a process of its own.
type mortal struct {
	t    *testing.T
	addr string
	file string
	cmd  *exec.Cmd
}

func bear(t *testing.T) *mortal {
	t.Helper()
	m := &mortal{t: t, addr: fmt.Sprintf("127.0.0.1:%d", freePort(t)), file: filepath.Join(t.TempDir(), "ids")}
	m.live()
	t.Cleanup(m.die)
	return m
}

func (m *mortal) live() {
	m.t.Helper()
	m.cmd = exec.Command(os.Args[0])
	m.cmd.Env = append(os.Environ(), beUpstream+"="+m.addr+" "+m.file)
	m.cmd.Stderr = os.Stderr
	if err := m.cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	eventually(m.t, 10*time.Second, "the upstream listens", func() bool { return m.status() == http.StatusOK })
}

func (m *mortal) status() int {
	req, err := http.NewRequestWithContext(m.t.Context(), http.MethodGet, "http://"+m.addr, nil)
	if err != nil {
		return 0
	}
	res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		return 0
	}
	_ = res.Body.Close()
	return res.StatusCode
}

// die is kill -9.
func (m *mortal) die() {
	if m.cmd.ProcessState == nil {
		_ = m.cmd.Process.Kill()
		_ = m.cmd.Wait()
	}
}

// ids counts how often each request was done, and how many bytes it brought.
func (m *mortal) ids(done map[string]int) {
	m.t.Helper()
	notes, err := os.ReadFile(m.file)
	if err != nil {
		m.t.Fatal(err)
	}
	for line := range strings.Lines(string(notes)) {
		done[strings.TrimSuffix(line, "\n")]++
	}
}

// Two upstreams die in turn, under load, and come back. What can be repeated never fails;
// what cannot fails only if it was under way in that moment, and is never done twice.
func TestUpstreamsThatAreKilledCostNoRequestThatCanBeRepeated(t *testing.T) {
	t.Parallel()
	const readers, writers = 12, 6
	one, two := bear(t), bear(t)
	f := launch(t, setting{
		scenario: "upstreams killed under load", bolt: true, log: "info",
		routes: fmt.Sprintf("  - {path: /many/, upstream: [\"http://%s\", \"http://%s\"]}", one.addr, two.addr),
	})
	ticket := f.signIn("user00")
	counts := make([]tally, readers+writers)
	ctx, stop := context.WithCancel(t.Context())
	var load sync.WaitGroup
	for i := range counts {
		counts[i] = tally{}
		load.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				a := f.sendTo(ctx, ticket, fmt.Sprintf("%d-%d", i, n), i >= readers, n)
				if ctx.Err() == nil {
					counts[i][a.String()]++
				}
			}
		})
	}
	kills := 0
	for _, m := range []*mortal{one, two, one} {
		after(t, time.Second)
		m.die()
		kills++
		after(t, 1500*time.Millisecond)
		m.live()
		eventually(t, 5*time.Second, "the upstream is used again", func() bool {
			return strings.Count(string(f.replicas[0].log()), `"upstream: back"`) == kills
		})
	}
	stop()
	load.Wait()
	reads, writes := sum(counts[:readers]), sum(counts[readers:])
	f.remark = fmt.Sprintf("%d kills; GET %v; POST %v", kills, reads, writes)
	t.Log(f.remark)
	if rest := reads.but("200"); len(rest) > 0 || reads["200"] < 500 {
		t.Errorf("GETs got %v", reads)
	}
	if rest := writes.but("200", "502 upstream_unreachable"); len(rest) > 0 || writes["502 upstream_unreachable"] > kills*writers {
		t.Errorf("POSTs got %v: more than were under way", writes)
	}
	f.doneOnce(one, two, writes["200"])
}

// sendTo sends a GET, or a POST whose body is short, long, or of a length that nobody says.
func (f *fleet) sendTo(ctx context.Context, ticket, id string, post bool, n int) answer {
	if !post {
		return f.ask(ctx, f.replicas[0], ticket, http.MethodGet, "/many/x", "X-Id", "get")
	}
	body := io.Reader(strings.NewReader(strings.Repeat("x", []int{1, 1000, 200_000}[n%3])))
	if n%2 == 0 {
		body = io.MultiReader(body)
	}
	return f.deliver(ctx, ticket, "/many/x", body, "X-Id", id)
}

// doneOnce checks that no POST was done twice, that each that succeeded was done, and that
// all of its body came.
func (f *fleet) doneOnce(one, two *mortal, succeeded int) {
	f.t.Helper()
	done, posts := map[string]int{}, 0
	one.ids(done)
	two.ids(done)
	for line, n := range done {
		id, length, _ := strings.Cut(line, " ")
		if id == "" || id == "get" {
			continue
		}
		posts++
		if n > 1 {
			f.t.Errorf("the POST %s was done %d times", id, n)
		}
		if length != "1" && length != "1000" && length != "200000" {
			f.t.Errorf("the POST %s was done with %s bytes", id, length)
		}
	}
	if posts < succeeded {
		f.t.Errorf("%d POSTs succeeded, and %d were done", succeeded, posts)
	}
}

// deliver posts a body to the first replica, as a script of the app.
func (f *fleet) deliver(ctx context.Context, ticket, path string, body io.Reader, header ...string) answer {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, f.replicas[0].url+path, body)
	if err != nil {
		return answer{err: err}
	}
	if sized, ok := body.(*io.LimitedReader); ok {
		req.ContentLength = sized.N
	}
	req.Host = strings.TrimPrefix(f.url, "http://")
	req.AddCookie(&http.Cookie{Name: "cloakroom", Value: ticket})
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	req.Header.Set("Origin", f.url)
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := f.client.Do(req)
	if err != nil {
		return answer{err: err}
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return answer{status: res.StatusCode, code: res.Header.Get("Cloakroom-Error"), header: res.Header, body: string(text), err: err}
}
