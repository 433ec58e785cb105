package soak

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"time"

	"golang.org/x/net/websocket"

	"github.com/cloakroom-bff/cloakroom/internal/devidp"
)

// browser is one user's, who logs in again and again.
type browser struct {
	origin string
	done   *tally

	client http.Client // with a fresh jar for each life
}

// What a browser does between a login and its end.
const (
	callsOfLife = 60
	streamEvery = 20 // calls
	leaves      = 4  // one in so many just goes away
)

// live goes on until ctx ends. An answer that a browser would not understand ends it.
func (b *browser) live(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := b.life(ctx); err != nil && ctx.Err() == nil { // else it was in the middle of something
			return err
		}
	}
	return nil
}

// life is one login and what comes after it.
func (b *browser) life(ctx context.Context) error {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return err
	}
	transport := &http.Transport{DisableCompression: true}
	defer transport.CloseIdleConnections()
	b.client = http.Client{Jar: jar, Timeout: 30 * time.Second, Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	if err := b.logIn(ctx); err != nil {
		return err
	}
	for n := range callsOfLife {
		if n%streamEvery == streamEvery-1 {
			if err := b.stream(ctx); err != nil {
				return err
			}
		}
		if err := b.ask(ctx, http.MethodGet, "/api/1k", http.StatusOK); err != nil {
			return err
		}
		b.done.calls.Add(1)
		pause(ctx, rand.N(200*time.Millisecond)) //nolint:gosec // How long is no secret.
	}
	if rand.IntN(leaves) == 0 { //nolint:gosec // As above.
		return nil
	}
	b.done.logouts.Add(1)
	return b.ask(ctx, http.MethodPost, "/bff/logout", http.StatusOK)
}

func (b *browser) logIn(ctx context.Context) error {
	location, err := b.navigate(ctx, b.origin+"/bff/login", "none")
	if err != nil {
		return err
	}
	client := b.client
	callback, err := devidp.SignIn(ctx, &client, location, "alice")
	if err != nil {
		return err
	}
	if _, err := b.navigate(ctx, callback, "cross-site"); err != nil {
		return err
	}
	b.done.logins.Add(1)
	return nil
}

func (b *browser) navigate(ctx context.Context, target, site string) (location string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return "", err
	}
	for name, value := range map[string]string{"Accept": "text/html", "Sec-Fetch-Site": site, "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"} {
		req.Header.Set(name, value)
	}
	status, location, err := b.send(req)
	if err == nil && status >= http.StatusBadRequest {
		err = fmt.Errorf("soak: %s answered %d", req.URL.Path, status)
	}
	return location, err
}

func (b *browser) ask(ctx context.Context, method, path string, want int) error {
	req, err := http.NewRequestWithContext(ctx, method, b.origin+path, nil)
	if err != nil {
		return err
	}
	for name, value := range map[string]string{"Accept": "application/json", "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"} {
		req.Header.Set(name, value)
	}
	status, _, err := b.send(req)
	if err == nil && status != want {
		err = fmt.Errorf("soak: %s answered %d", path, status)
	}
	return err
}

func (b *browser) send(req *http.Request) (status int, location string, err error) {
	res, err := b.client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	return res.StatusCode, res.Header.Get("Location"), err
}

// stream holds a WebSocket and an event stream for a while, over a refresh.
func (b *browser) stream(ctx context.Context) error {
	u, err := url.Parse(b.origin)
	if err != nil {
		return err
	}
	cfg, err := websocket.NewConfig("ws://"+u.Host+"/api/ws", b.origin)
	if err != nil {
		return err
	}
	var cookies []string
	for _, c := range b.client.Jar.Cookies(u) {
		cookies = append(cookies, c.Name+"="+c.Value)
	}
	cfg.Header = http.Header{"Cookie": {strings.Join(cookies, "; ")}}
	socket, err := cfg.DialContext(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = socket.Close() }() // everything has been said
	events, stop := context.WithTimeout(ctx, tokenLife)
	defer stop()
	b.listen(events)
	if ctx.Err() != nil {
		return nil
	}
	answer := make([]byte, 5)
	if _, err := io.WriteString(socket, "hello"); err != nil {
		return err
	}
	if _, err := io.ReadFull(socket, answer); err != nil || string(answer) != "hello" {
		return fmt.Errorf("soak: a WebSocket echoed %q: %w", answer, err)
	}
	b.done.streams.Add(1)
	return nil
}

// listen reads the gateway's own events until ctx ends.
func (b *browser) listen(ctx context.Context) {
	err := b.ask(ctx, http.MethodGet, "/bff/events", http.StatusOK)
	if err == nil || errors.Is(err, context.DeadlineExceeded) {
		return // its end is the only one
	}
	<-ctx.Done()
}

func pause(ctx context.Context, d time.Duration) {
	late := time.NewTimer(d)
	defer late.Stop()
	select {
	case <-late.C:
	case <-ctx.Done():
	}
}
