package app

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/config"
	"github.com/cloakroom-bff/cloakroom/internal/demo"
	"github.com/cloakroom-bff/cloakroom/internal/devidp"
	"github.com/cloakroom-bff/cloakroom/internal/secret"
	"github.com/cloakroom-bff/cloakroom/session"
)

// demoTokens is how long the demo's access tokens live: short enough to watch.
const demoTokens = 15 * time.Second

// Demo runs a development provider, a demo API with its page and the gateway in front, in
// this process and on loopback only, until ctx ends. It says on stdout where to look.
// Nothing of it is kept.
func Demo(ctx context.Context, listen string, stdout, stderr io.Writer, version string) error {
	public, err := listenLoopback(ctx, listen)
	if err != nil {
		return err
	}
	defer public.Close() // closed already, unless something went wrong before Run
	dir, err := os.MkdirTemp("", "cloakroom-demo-")
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }() // what is left in the system's temporary directory harms nobody
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	origin := &url.URL{Scheme: "http", Host: net.JoinHostPort(host, portOf(public))}
	provider, err := devidp.Listen(devidp.Config{ //nolint:contextcheck // Close ends it
		Clients: []devidp.Client{{
			ID: "demo", Secret: "demo",
			RedirectURIs:           []string{origin.String() + "/bff/callback"},
			PostLogoutRedirectURIs: []string{origin.String() + "/"},
			BackchannelLogoutURI:   origin.String() + "/bff/backchannel-logout",
		}},
		Knobs: devidp.Knobs{AccessTokenTTL: demoTokens},
	})
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	defer provider.Close()
	return runDemo(ctx, stage{public, origin, provider, dir, stdout, stderr, version})
}

// stage is what the demo's parts are put on.
type stage struct {
	public         net.Listener
	origin         *url.URL
	provider       *devidp.Server
	dir            string
	stdout, stderr io.Writer
	version        string
}

func runDemo(ctx context.Context, st stage) error {
	log, level := Logger(st.stderr, config.Log{Level: slog.LevelWarn, Format: "text"})
	d := &desk{issuer: st.provider.URL}
	backend, err := demo.New(demo.Config{Issuer: st.provider.URL, Outage: demo.Outage(st.provider.Provider), Gateway: d, Log: log})
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	defer backend.Close()
	upstream, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	api := server(backend, log)
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := api.Serve(upstream); !errors.Is(err, http.ErrServerClosed) {
			log.Error("demo: the API has stopped", "err", err)
		}
	})
	defer func() {
		_ = api.Close() // its connections are this process's own
		serving.Wait()
	}()
	a, err := assemble(ctx, demoConfig(st, upstream.Addr().String()), extras{
		Surroundings: Surroundings{Log: log, Level: level, Version: st.version}, public: st.public,
		door:  func(g http.Handler) http.Handler { return demo.Door("cloakroom", g) },
		event: func(e session.Event) { tell(backend, e) },
	})
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	d.sessions = a.sessions
	if _, err := fmt.Fprintf(st.stdout, `Cloakroom demo, on this machine only

  open       %s
  sign in    as alice or bob, at the provider on another site
  provider   %s
  metrics    http://%s/metrics

Access tokens live for %v. Ctrl-C ends it; nothing is kept.
`, st.origin, st.provider.URL, a.AdminAddr(), demoTokens); err != nil {
		a.close(ctx)
		return fmt.Errorf("demo: %w", err)
	}
	return a.Run(ctx)
}

// demoConfig is the configuration that an operator would write for the demo's parts.
func demoConfig(st stage, upstream string) *config.Config {
	to := []*url.URL{{Scheme: "http", Host: upstream}}
	route := func(path string, access config.Access, token config.Token) config.Route {
		return config.Route{Path: path, Upstream: to, Access: access, Token: token, Unauthenticated: config.ByRequest}
	}
	key := make([]byte, session.KeySize)
	_, _ = rand.Read(key) // never fails
	desk := route(demo.DeskPath, config.Required, config.NoToken)
	desk.Background = true
	desk.SetHeaders = map[string]secret.Text{demo.SubjectHeader: secret.New("{claims.sub}"), demo.SessionHeader: secret.New("{claims.sid}")}
	return &config.Config{
		PublicURL: st.origin, BasePath: "/bff", PostLogoutURL: "/",
		Admin: config.Admin{Listen: "127.0.0.1:0"},
		Drain: config.Drain{Stop: 5 * time.Second},
		Provider: config.Provider{
			Issuer: st.provider.URL, ClientID: "demo", ClientSecret: secret.New("demo"), ClientAuth: config.SecretBasic,
			Scopes:      []string{"openid", "profile", "email", "offline_access"},
			LoginParams: []string{"prompt", "login_hint"},
			Logout:      "auto", RevokeOnLogout: true, IDTokenHint: true,
			Timeout: 5 * time.Second, ClockSkew: time.Minute,
		},
		Session: config.Session{
			Store:  config.Store{Bolt: filepath.Join(st.dir, "sessions.db")},
			Keys:   []secret.Text{secret.New(string(key))},
			Cookie: config.Cookie{SameSite: config.Strict, Persistent: true},
		},
		Routes: []config.Route{
			route(demo.PagePath, config.Public, config.NoToken),
			route(demo.APIPath, config.Required, config.UserToken),
			desk,
		},
	}
}

// AddressError says that the demo does not listen at an address, whoever may own it.
type AddressError struct {
	Listen string // as it was given
	Remedy string // what to write
}

// Error implements error.
func (e *AddressError) Error() string { return "demo: --listen " + e.Listen + ": " + e.Remedy }

// listenLoopback refuses every other address: the demo's provider signs in anybody.
func listenLoopback(ctx context.Context, listen string) (net.Listener, error) {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return nil, &AddressError{listen, "write host and port, such as localhost:8080"}
	}
	if addr, err := netip.ParseAddr(host); host != "localhost" && (err != nil || !addr.IsLoopback()) {
		return nil, &AddressError{listen, "the demo lets anybody in, so it listens on loopback only: write localhost:8080"}
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", listen)
	if err != nil {
		return nil, fmt.Errorf("demo: %w; another address: --listen localhost:0 takes a free port", err)
	}
	return l, nil
}

func portOf(l net.Listener) string {
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		return "" // a TCP listener's address always has one
	}
	return port
}

// tell puts what happened to a session on the page's timeline.
func tell(b *demo.Backend, e session.Event) {
	kind, ok := map[session.EventKind]demo.EventKind{
		session.Began: demo.SignedIn, session.Ended: demo.Ended,
		session.Refreshed: demo.Refreshed, session.Revoked: demo.Revoked,
	}[e.Kind]
	if ok {
		b.Observe(demo.Event{Subject: e.Subject, Kind: kind, OK: e.Err == nil, Took: e.Took})
	}
}

// desk tells the demo's page what the gateway holds for a browser.
type desk struct {
	issuer   string
	sessions *session.Manager // set before the first request
}

// Holding implements demo.Gateway.
func (d *desk) Holding(ctx context.Context, b demo.Browser) (demo.Holding, bool, error) {
	found, err := d.find(ctx, b)
	if err != nil || len(found) == 0 {
		return demo.Holding{}, false, err
	}
	st := found[0].State()
	at := st.Grant.Access[session.Target{}]
	return demo.Holding{
		AccessIssued: at.Issued, AccessExpires: at.Expiry,
		RefreshToken: st.Grant.RefreshToken != "", IDToken: st.Grant.IDToken != "",
		Refreshes: st.Grant.Generation, Created: st.Created,
	}, true, nil
}

// Expire implements demo.Gateway.
func (d *desk) Expire(ctx context.Context, b demo.Browser) error {
	found, err := d.find(ctx, b)
	for _, s := range found {
		err = errors.Join(err, s.Expire(ctx))
	}
	return err
}

// find returns the browser's sessions: one, if the provider said which.
func (d *desk) find(ctx context.Context, b demo.Browser) ([]*session.Session, error) {
	all, err := d.sessions.OfSubject(ctx, d.issuer, b.Subject)
	if err != nil {
		return nil, err
	}
	var found []*session.Session
	for _, s := range all {
		if b.Session == "" || s.State().Grant.ProviderSession == b.Session {
			found = append(found, s)
		}
	}
	return found, nil
}
