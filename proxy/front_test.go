package proxy

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/oidc"
	"github.com/cloakroom-bff/cloakroom/session"
	"github.com/cloakroom-bff/cloakroom/session/boltstore"
)

const (
	publicHost  = "app.example.com"
	accessToken = "AT-2f1c9-secret"
)

// reply is an answer whose body the test's end closes.
type reply struct{ *http.Response }

// front is a gateway on a real listener, with a real session store behind it.
type front struct {
	*Gateway
	addr     string
	sessions *session.Manager
	log      *buffer
}

// open starts a gateway with these routes.
func open(t testing.TB, routes []Route, adjust ...func(*Config)) *front {
	t.Helper()
	f := &front{sessions: sessions(t, quiet{}), log: &buffer{}}
	public, _ := url.Parse("https://" + publicHost)
	provider, err := oidc.New(oidc.Config{
		Issuer: "https://id.example.com", ClientID: "app", ClientAuth: oidc.NoSecret,
		RedirectURL: "https://app.example.com/bff/callback",
	})
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{
		PublicURL: public, Routes: routes, Sessions: f.sessions, Provider: provider,
		Log: slog.New(slog.NewJSONHandler(f.log, nil)),
	}
	for _, a := range adjust {
		a(&cfg)
	}
	if f.Gateway, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(f.Gateway)
	t.Cleanup(s.Close)
	f.addr = s.Listener.Addr().String()
	return f
}

func sessions(t testing.TB, r session.Refresher) *session.Manager {
	t.Helper()
	store, err := boltstore.Open(filepath.Join(t.TempDir(), "sessions.db"), boltstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	keys, err := session.NewKeyring(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	m, err := session.New(session.Config{Store: store, Keys: keys, Refresher: r, SoleOwner: true})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// quiet is a provider that is down.
type quiet struct{}

func (quiet) Refresh(context.Context, *session.Grant, session.Target) (*session.Renewal, error) {
	return nil, &session.RefreshError{Class: session.Transient, RetryAfter: 3 * time.Second, Err: errors.New("down")}
}

func (quiet) Verify(context.Context, *session.Grant, session.Token) (*session.Identity, error) {
	return nil, errors.New("down")
}

func (quiet) Revoke(context.Context, session.Revocation) error { return nil }

// signIn begins a session whose access token lives for that long.
func (f *front) signIn(t testing.TB, life time.Duration) (*session.Session, string) {
	t.Helper()
	now := time.Now()
	s, ticket, err := f.sessions.Begin(t.Context(), session.Start{Grant: session.Grant{
		Issuer: "https://id.example.com", ClientID: "app", Subject: "alice", RefreshToken: "RT",
		Claims: map[string]any{"sub": "alice", "email": "alice@example.com", "roles": []any{"a,b", "ops"}},
		Access: map[session.Target]session.AccessToken{
			{}: {Token: accessToken, Type: "Bearer", Issued: now.Add(-time.Minute), Expiry: now.Add(life)},
		},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return s, ticket
}

func (f *front) cookie(ticket string) string { return f.ticketName() + "=" + ticket }

// raw sends bytes and returns the answer.
func (f *front) raw(t testing.TB, request string) reply {
	t.Helper()
	res, _ := f.rawConn(t, request)
	return res
}

func (f *front) rawConn(t testing.TB, request string) (reply, net.Conn) {
	t.Helper()
	c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", f.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	method, _, _ := strings.Cut(request, " ")
	r := bufio.NewReader(c)
	res, err := http.ReadResponse(r, &http.Request{Method: method})
	if err != nil {
		t.Fatalf("no answer to %q: %v", request, err)
	}
	t.Cleanup(func() { _ = res.Body.Close() })
	return reply{res}, bufferedConn{c, r}
}

// bufferedConn is a connection that something was read ahead from.
type bufferedConn struct {
	net.Conn
	r *bufio.Reader
}

func (c bufferedConn) Read(p []byte) (int, error) { return c.r.Read(p) }

// get sends a GET with more header lines.
func (f *front) get(t testing.TB, path string, lines ...string) reply {
	t.Helper()
	return f.send(t, "GET", path, lines...)
}

func (f *front) send(t testing.TB, method, path string, lines ...string) reply {
	t.Helper()
	return f.raw(t, method+" "+path+" HTTP/1.1\r\nHost: "+publicHost+"\r\n"+strings.Join(append(lines, "\r\n"), "\r\n"))
}

func text(t testing.TB, res reply) string {
	t.Helper()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// mustFail checks that an answer is the gateway's own error, in its one shape.
func mustFail(t testing.TB, res reply, code Code) {
	t.Helper()
	if got := res.Header.Get("Cloakroom-Error"); got != string(code) || res.StatusCode != code.status() {
		t.Fatalf("got %d %q, want %d %q", res.StatusCode, got, code.status(), code)
	}
	if res.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("Cache-Control is %q", res.Header.Get("Cache-Control"))
	}
	if media := res.Header.Get("Content-Type"); media != "application/problem+json" && media != "text/html; charset=utf-8" {
		t.Errorf("Content-Type is %q", media)
	}
}

// upstream is an API that notes what reached it.
type upstream struct {
	url  *url.URL
	mu   sync.Mutex
	seen []*http.Request // guarded by mu
}

func api(t testing.TB, handle http.HandlerFunc) *upstream {
	t.Helper()
	up := &upstream{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		up.mu.Lock()
		up.seen = append(up.seen, r)
		up.mu.Unlock()
		if handle != nil {
			handle(w, r)
		}
	}))
	t.Cleanup(s.Close)
	up.url, _ = url.Parse(s.URL)
	return up
}

// hits returns how many requests reached the API.
func (up *upstream) hits() int {
	up.mu.Lock()
	defer up.mu.Unlock()
	return len(up.seen)
}

// last returns the newest request that reached the API.
func (up *upstream) last(t testing.TB) *http.Request {
	t.Helper()
	up.mu.Lock()
	defer up.mu.Unlock()
	if len(up.seen) == 0 {
		t.Fatal("nothing reached the upstream")
	}
	return up.seen[len(up.seen)-1]
}

// buffer is a log that many goroutines write to.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func mustURL(s string) *url.URL {
	u, err := url.Parse(s)
	if err != nil {
		panic(err)
	}
	return u
}
