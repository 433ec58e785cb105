//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/fetch"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// A tab is one tab of a Chromium of its own. Every answer is held at the door until its
// headers and its body are noted, so that no navigation can take them away.
type tab struct {
	t   *testing.T
	ctx context.Context // chromedp's handle of a tab is a context

	mu   sync.Mutex
	seen []sighting
}

// openTab starts Chromium and notes all that it gets.
func openTab(t *testing.T) *tab {
	t.Helper()
	b := startTab(t)
	b.watch()
	return b
}

// startTab starts Chromium alone. A tab with event streams has to do without the watch,
// which waits for whole answers, and under which Chromium crashes when such a stream breaks.
func startTab(t *testing.T) *tab {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		missing(t, "chromium", "apt-get install chromium")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-quic", true))
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox)
	}
	alloc, stop := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(stop)
	ctx, stop := chromedp.NewContext(alloc)
	t.Cleanup(stop)
	if err := chromedp.Do(ctx); err != nil { // the first step's context would be the browser's life
		t.Fatal(err)
	}
	return &tab{t: t, ctx: ctx}
}

// watch notes every answer: whole as it is held at the door, and its raw headers, which
// alone show cookies, as they pass by.
func (b *tab) watch() {
	b.t.Helper()
	paused := chromedp.Events(b.ctx, fetch.RequestPaused)
	raw := chromedp.Events(b.ctx, network.ResponseReceivedExtraInfo)
	go func() {
		for event, err := range paused {
			if err != nil {
				return // the tab is closed
			}
			go b.note(event)
		}
	}()
	go func() {
		for event, err := range raw {
			if err != nil {
				return
			}
			s := sighting{where: "raw headers", header: http.Header{}}
			for name, value := range event.Headers {
				for line := range strings.Lines(fmt.Sprint(value)) { // one for each of several Set-Cookie
					s.header.Add(name, strings.TrimSpace(line))
				}
			}
			b.see(s)
		}
	}()
	everything := []*fetch.RequestPattern{{URLPattern: "*", RequestStage: fetch.RequestStageResponse}}
	if _, err := chromedp.Call(b.ctx, fetch.Enable, fetch.EnableParams{Patterns: everything}); err != nil {
		b.t.Fatal(err)
	}
}

func (b *tab) see(s sighting) {
	for _, line := range s.header["Set-Cookie"] {
		if ticket := ticketLine.FindStringSubmatch(line); ticket != nil {
			hauled.hide(ticket[1])
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.seen = append(b.seen, s)
}

// note writes down an answer and lets it go on to the page.
func (b *tab) note(e fetch.EventRequestPaused) {
	s := sighting{
		where:   e.Request.Method + " " + e.Request.URL,
		request: fmt.Sprint(e.Request.URL, e.Request.Headers),
		header:  http.Header{},
	}
	for _, h := range e.ResponseHeaders {
		s.header.Add(h.Name, h.Value)
	}
	// The body of an event stream has no end to wait for.
	redirect := e.ResponseStatusCode >= 300 && e.ResponseStatusCode < 400
	if !redirect && !strings.HasPrefix(s.header.Get("Content-Type"), "text/event-stream") {
		if answer, err := chromedp.Call(b.ctx, fetch.GetResponseBody, fetch.GetResponseBodyParams{RequestID: e.RequestID}); err == nil {
			s.body = string(answer.Body)
		}
	}
	b.see(s)
	// An error here is a page that has gone away.
	_, _ = chromedp.Call(b.ctx, fetch.ContinueRequest, fetch.ContinueRequestParams{RequestID: e.RequestID})
}

func (b *tab) sightings() []sighting {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]sighting(nil), b.seen...)
}

func (b *tab) open(address string) {
	b.t.Helper()
	b.do(chromedp.Navigate(address))
}

// press clicks the first element that the selector finds, as soon as it can be seen.
func (b *tab) press(selector string) {
	b.t.Helper()
	b.until(fmt.Sprintf(`(e => e && e.getClientRects().length && !e.disabled)(document.querySelector(%q))`, selector))
	b.do(chromedp.Click(chromedp.CSS(selector)))
}

func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 30*time.Second)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.t.Fatalf("%v, at %s", err, b.text(`location.href`))
	}
}

// until waits for an expression to become true; the page may change meanwhile.
func (b *tab) until(expression string) {
	b.t.Helper()
	eventually(b.t, time.Minute, expression, func() bool {
		ctx, cancel := context.WithTimeout(b.ctx, 5*time.Second)
		defer cancel()
		ok, err := chromedp.Run(ctx, chromedp.Evaluate[bool](`Boolean(`+expression+`)`))
		return err == nil && ok
	})
}

// text evaluates an expression that gives a string.
func (b *tab) text(expression string) string {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 30*time.Second)
	defer cancel()
	s, err := chromedp.Run(ctx, chromedp.Evaluate[string](`(async () => String(`+expression+`))()`, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Errorf("%s: %v", expression, err)
	}
	return s
}

// run runs a statement and leaves it to itself: it may navigate.
func (b *tab) run(statement string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 10*time.Second)
	defer cancel()
	if _, err := chromedp.Run(ctx, chromedp.Evaluate[string](`setTimeout(() => {`+statement+`}); ""`)); err != nil {
		b.t.Errorf("%s: %v", statement, err)
	}
}

// scriptsFindNothing checks that a script of the page can reach no cookie and no storage.
func (b *tab) scriptsFindNothing() {
	b.t.Helper()
	for _, place := range []string{"document.cookie", "Object.keys(localStorage)", "Object.keys(sessionStorage)"} {
		if found := b.text(place); found != "" {
			b.t.Errorf("%s holds %q", place, found)
		}
	}
}

// picture leaves screenshots of a state, at a desk's and at a hand's width, light and dark.
func (b *tab) picture(state string) {
	b.t.Helper()
	dir := os.Getenv("E2E_ARTIFACTS")
	if dir == "" {
		return
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		b.t.Fatal(err)
	}
	for _, width := range []int64{1280, 390} {
		for _, scheme := range []string{"light", "dark"} {
			b.do(chromedp.EmulateViewport(width, 900), scheming(scheme))
			ctx, cancel := context.WithTimeout(b.ctx, 30*time.Second)
			image, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
			cancel()
			if err != nil {
				b.t.Fatal(err)
			}
			if wide := b.text(`document.documentElement.scrollWidth > innerWidth`); wide == "true" {
				b.t.Errorf("%s: the page is wider than %d pixels", state, width)
			}
			name := filepath.Join(dir, fmt.Sprintf("%s-%d-%s.png", state, width, scheme))
			if err := os.WriteFile(name, image, 0o600); err != nil {
				b.t.Fatal(err)
			}
		}
	}
	b.do(chromedp.EmulateReset(), scheming(""))
}

// scheming asks the page for light or dark; nothing means the browser's own choice.
func scheming(scheme string) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		})
		return err
	})
}
