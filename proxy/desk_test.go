package proxy

import (
	"context"
	"crypto/rand"
	"errors"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/oidc"
	"github.com/cloakroom-bff/cloakroom/internal/secret"
	"github.com/cloakroom-bff/cloakroom/session"
	"github.com/cloakroom-bff/cloakroom/session/boltstore"
)

// desk is a gateway with its sessions in a file, at https://app.example.com, whose
// provider nobody has to reach.
type desk struct {
	gateway  *Gateway
	sessions *session.Manager
	store    *lostStore
	calls    atomic.Int64 // to the provider
}

// lostStore is a store that can be lost.
type lostStore struct {
	session.Store
	away atomic.Bool
}

var errAway = errors.New("the store is away")

func (s *lostStore) Load(ctx context.Context, id session.ID) (session.Record, error) {
	if s.away.Load() {
		return session.Record{}, errAway
	}
	return s.Store.Load(ctx, id)
}

func (s *lostStore) Find(ctx context.Context, key session.Key) ([]session.Record, error) {
	if s.away.Load() {
		return nil, errAway
	}
	return s.Store.Find(ctx, key)
}

func (s *lostStore) Create(ctx context.Context, r session.Record) error {
	if s.away.Load() {
		return errAway
	}
	return s.Store.Create(ctx, r)
}

func (s *lostStore) Replace(ctx context.Context, r session.Record) error {
	if s.away.Load() {
		return errAway
	}
	return s.Store.Replace(ctx, r)
}

// newSessions makes a manager on a file of its own, and runs it until the test is over.
func newSessions(t testing.TB, refresher session.Refresher) (*session.Manager, *lostStore) {
	t.Helper()
	bolt, err := boltstore.Open(filepath.Join(t.TempDir(), "sessions.db"), boltstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	key := make([]byte, session.KeySize)
	_, _ = rand.Read(key)
	ring, err := session.NewKeyring(key)
	if err != nil {
		t.Fatal(err)
	}
	store := &lostStore{Store: bolt}
	issuer, _ := refresher.(session.TokenIssuer)
	m, err := session.New(session.Config{Store: store, Keys: ring, Refresher: refresher, Issuer: issuer, SoleOwner: true})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		if err := m.Run(ctx); err != nil {
			t.Errorf("manager: %v", err)
		}
	}()
	t.Cleanup(func() {
		stop()
		<-stopped
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := m.Close(ctx); err != nil {
			t.Errorf("closing the manager: %v", err)
		}
		if err := bolt.Close(); err != nil {
			t.Errorf("closing the store: %v", err)
		}
	})
	return m, store
}

func newDesk(t testing.TB) *desk {
	t.Helper()
	d := &desk{}
	provider, err := oidc.New(oidc.Config{
		Issuer: "https://idp.example.net", ClientID: "app", ClientSecret: secret.New("s3cret"),
		RedirectURL: ownOrigin + "/bff/callback",
		Transport:   unreachable{&d.calls},
	})
	if err != nil {
		t.Fatal(err)
	}
	d.sessions, d.store = newSessions(t, provider)
	public, err := url.Parse(ownOrigin)
	if err != nil {
		t.Fatal(err)
	}
	d.gateway, err = New(Config{
		PublicURL: public, Sessions: d.sessions, Provider: provider,
		LoginParams: []string{"prompt", "login_hint"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// unreachable counts the calls to a provider that is not there.
type unreachable struct{ calls *atomic.Int64 }

func (u unreachable) RoundTrip(*http.Request) (*http.Response, error) {
	u.calls.Add(1)
	return nil, errors.New("connection refused")
}

// forget puts another gateway in the place of this one, with the same keys and the same
// store, and nothing in its memory.
func (d *desk) forget(t testing.TB) {
	t.Helper()
	cfg := d.gateway.cfg
	var err error
	d.sessions, err = session.New(session.Config{Store: d.store, Keys: d.sessions.Keys(), Refresher: cfg.Provider})
	if err != nil {
		t.Fatal(err)
	}
	cfg.Sessions = d.sessions
	if d.gateway, err = New(cfg); err != nil {
		t.Fatal(err)
	}
}

// grant is what the provider would have given somebody.
func (d *desk) grant(subject string) session.Grant {
	return session.Grant{
		Issuer: "https://idp.example.net", ClientID: "app", Subject: subject,
		Claims: map[string]any{"sub": subject},
		Access: map[session.Target]session.AccessToken{{}: {
			Token: "access-of-" + session.Token(subject), Type: "Bearer",
			Issued: time.Now(), Expiry: time.Now().Add(time.Hour),
		}},
	}
}

func (d *desk) begin(t testing.TB, g session.Grant) (*session.Session, string) {
	t.Helper()
	s, ticket, err := d.sessions.Begin(t.Context(), session.Start{Grant: g})
	if err != nil {
		t.Fatal(err)
	}
	return s, ticket
}

func (d *desk) cookie(ticket string) string { return d.gateway.ticketName() + "=" + ticket }

// do sends a request through the whole gateway.
func (d *desk) do(t testing.TB, method, target string, header ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, ownOrigin+target, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	d.gateway.ServeHTTP(w, r)
	return w.Result()
}

func startOf(g session.Grant) session.Start { return session.Start{Grant: g} }

func requestWith(t testing.TB, cookies string) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, ownOrigin+"/", nil)
	r.Header.Set("Cookie", cookies)
	return r
}

// hopTarget is where a hop leads.
func hopTarget(t testing.TB, res *http.Response) string {
	t.Helper()
	body := readAll(t, res)
	found := regexp.MustCompile(`<meta http-equiv="refresh" content="0;url=([^"]*)"`).FindStringSubmatch(body)
	if res.StatusCode != http.StatusOK || found == nil {
		t.Fatalf("%s is no hop: %s", res.Status, body)
	}
	return html.UnescapeString(found[1])
}
