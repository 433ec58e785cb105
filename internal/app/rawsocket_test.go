package app

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/config"
)

// rawFront is a gateway as New wires it and Run serves it, in front of one bare upstream.
type rawFront struct {
	app *App
	up  *rawUpstream
}

const rawConfig = `
public_url: https://app.example.com
listen: "127.0.0.1:0"
admin: {listen: "127.0.0.1:0"}
provider: {issuer: "http://127.0.0.1:1", client_id: bff, client_secret: secret}
session: {keys: ["MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="]}
routes:
  - {path: /api/, upstream: "http://%[1]s"}
  - {path: /open/, upstream: "http://%[1]s", access: public, token: none, max_body: 1KiB, headers: {set: {X-Mark: gateway}}}
  - {path: /kept/, upstream: "http://%[1]s", access: public, token: none, encoded_slashes: keep, headers: {set: {X-Mark: gateway}}}
`

// newRawFront starts both. lines are further ones of the configuration.
func newRawFront(t *testing.T, lines ...string) *rawFront {
	t.Helper()
	f := &rawFront{up: newRawUpstream(t)}
	file := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(file, fmt.Appendf(nil, rawConfig+strings.Join(lines, "\n"), f.up.addr), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, _, err := config.Load(file, nil)
	if err != nil {
		t.Fatal(err)
	}
	if f.app, err = New(t.Context(), cfg, Surroundings{Log: slog.New(slog.DiscardHandler)}); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- f.app.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return f
}

// rawOutcome is what became of a row, and of somebody else's request right behind it.
type rawOutcome struct {
	answers, codes string
	seen           []rawRequest
	wrong          []string // what the upstream could not read
	after          string
	err            error
}

// No row of the table makes the upstream read anything else than what the gateway has
// authorised: nothing, or the requests that the row names, each with the headers that the
// gateway sets. The next request, of somebody else, gets its own answer.
func TestTheUpstreamReadsWhatWasAuthorised(t *testing.T) {
	rows := rawRows()
	outcomes := make([]rawOutcome, len(rows))
	// A server waits half a second with a connection that it closes early: many at once.
	var next atomic.Int64
	var workers sync.WaitGroup
	for range 12 {
		f := newRawFront(t)
		workers.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(rows)); i = next.Add(1) - 1 {
				outcomes[i] = f.try(rows[i])
			}
		})
	}
	workers.Wait()
	for i, row := range rows {
		t.Run(fmt.Sprintf("%03d %s", i+1, row.name), func(t *testing.T) { outcomes[i].check(t, row) })
	}
}

// try sends a row.
func (f *rawFront) try(row rawRow) (o rawOutcome) {
	o.answers, o.codes, o.err = f.exchange(row.send)
	o.seen, o.wrong = f.up.take()
	for _, q := range o.seen {
		o.wrong = append(o.wrong, f.inspect(q)...)
	}
	after, _, err := f.exchange("GET /open/other HTTP/1.1\r\nHost: app.example.com\r\nConnection: close\r\n\r\n")
	seen, wrong := f.up.take()
	o.after = after + " " + said(seen)
	o.wrong = append(o.wrong, wrong...)
	o.err = errors.Join(o.err, err)
	return o
}

func (o rawOutcome) check(t *testing.T, row rawRow) {
	t.Logf("sent %.150q: answers %q %q, the upstream read %q", row.send, o.answers, o.codes, said(o.seen))
	if o.err != nil {
		t.Error(o.err)
	}
	if o.answers != row.answers {
		t.Errorf("answers %q, want %q", o.answers, row.answers)
	}
	if got := said(o.seen); got != row.seen {
		t.Errorf("the upstream read %q, want %q", got, row.seen)
	}
	if len(o.wrong) > 0 {
		t.Errorf("the upstream read what it should not: %q", o.wrong)
	}
	if o.after != "200 GET /open/other" {
		t.Errorf("of somebody else's request became %q", o.after)
	}
}

// said writes requests as rows do. The one that shows that a connection goes on is left out.
func said(seen []rawRequest) string {
	var all []string
	for _, q := range seen {
		if q.line != "GET /open/goes-on" {
			all = append(all, q.String())
		}
	}
	return strings.Join(all, ", ")
}

// inspect checks what holds of every request that the upstream reads.
func (f *rawFront) inspect(q rawRequest) (wrong []string) {
	for name, want := range map[string][]string{
		"Host": {f.up.addr}, "X-Mark": {"gateway"}, "X-Forwarded-For": {"127.0.0.1"}, "X-Forwarded-Proto": {"https"},
		"X-Forwarded-Host": {"app.example.com"}, "Authorization": nil, "X-Secret": nil, "Upgrade": nil, "Forwarded": nil,
		"Connection": nil, "Te": nil, "Keep-Alive": nil, "Http2-Settings": nil, "Proxy": nil, "X-Original-Url": nil,
	} {
		if got := q.values(name); !slices.Equal(got, want) {
			wrong = append(wrong, fmt.Sprintf("%s %q", name, got))
		}
	}
	return wrong
}

// exchange sends bytes over a connection of their own and reads all answers. If the
// connection then goes on, so must what is sent over it.
func (f *rawFront) exchange(send string) (statuses, codes string, err error) {
	c, err := net.Dial("tcp", f.app.Addr().String())
	if err != nil {
		return "", "", err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	// What is refused early is not read to its end.
	_, _ = io.WriteString(c, send+"GET /open/goes-on HTTP/1.1\r\nHost: app.example.com\r\nConnection: close\r\n\r\n")
	var got, errs []string
	method, _, _ := strings.Cut(send, " ")
	for r := bufio.NewReader(c); ; method = http.MethodGet {
		res, err := http.ReadResponse(r, &http.Request{Method: method})
		if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) {
			return strings.Join(got, " "), strings.Join(errs, " "), nil
		}
		if err != nil {
			return strings.Join(got, " "), "", err
		}
		text, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		switch own := res.Header.Get("Cloakroom-Error"); {
		case err != nil:
			return strings.Join(got, " "), "", err
		case string(text) == "GET /open/goes-on":
			continue
		case res.StatusCode >= 400 && (own == "" || res.Header.Get("Cache-Control") != "no-store"):
			return "", "", fmt.Errorf("an answer %s without the gateway's headers", res.Status)
		default:
			got = append(got, strconv.Itoa(res.StatusCode))
			if own != "" {
				errs = append(errs, own)
			}
		}
	}
}
