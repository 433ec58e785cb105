package app

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/config"
	"github.com/cloakroom-bff/cloakroom/internal/handover"
	"github.com/cloakroom-bff/cloakroom/internal/oidc"
	"github.com/cloakroom-bff/cloakroom/internal/preset"
	"github.com/cloakroom-bff/cloakroom/internal/secret"
	"github.com/cloakroom-bff/cloakroom/internal/telemetry"
	"github.com/cloakroom-bff/cloakroom/proxy"
	"github.com/cloakroom-bff/cloakroom/session"
	"github.com/cloakroom-bff/cloakroom/session/redisstore"
)

// Logger returns the logger that a configuration asks for, writing to w, which must be safe
// for concurrent use, and its level, which can be set.
func Logger(w io.Writer, c config.Log) (*slog.Logger, *slog.LevelVar) {
	level := new(slog.LevelVar)
	level.Set(c.Level)
	if c.Format == "text" {
		return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level})), level
	}
	return slog.New(telemetry.NewJSONLog(w, level)), level
}

// Surroundings are what an App has of the process that it runs in.
type Surroundings struct {
	Log     *slog.Logger   // required
	Level   *slog.LevelVar // of Log, for a reload to set; nil: it stays as it is
	Version string

	Environ   []string            // of the process
	Inherited *handover.Inherited // what it was given at its start; nil: nothing
}

// New opens the store and the listeners that cfg names. What cannot be opened is an error;
// a provider that is away is none. After an error nothing is left open; else Run closes.
func New(ctx context.Context, cfg *config.Config, s Surroundings) (*App, error) {
	return assemble(ctx, cfg, extras{Surroundings: s, audit: s.Log.Handler()})
}

// extras is what a caller adds to a configuration. The zero value adds nothing, but for
// Log, which must be there.
type extras struct {
	Surroundings
	audit  slog.Handler                    // gets the audit log, whatever its level; nil: nobody does
	public net.Listener                    // in the place of cfg.Listen
	door   func(http.Handler) http.Handler // stands before the gateway
	event  func(session.Event)             // hears of sessions, like the metrics
}

func assemble(ctx context.Context, cfg *config.Config, x extras) (*App, error) {
	tracer, err := openTracer(ctx, cfg.Telemetry, x)
	if err != nil {
		return nil, err
	}
	if tracer != nil {
		x.Log = slog.New(tracer.Log(x.Log.Handler()))
	}
	a := &App{
		tracer: tracer, log: x.Log, level: x.Level, most: cfg.MaxConnections, metrics: telemetry.NewMetrics(x.Version), audit: telemetry.NewAudit(x.audit),
		shapes: shapes{}, onPublic: x.public,
		environ: x.Environ, inherited: x.Inherited, alone: true, succeeded: make(chan *handover.Successor, 1),
	}
	if a.inherited == nil {
		a.inherited = &handover.Inherited{}
	}
	if err := a.open(ctx, cfg, x); err != nil {
		a.close(ctx)
		return nil, err
	}
	return a, nil
}

// open makes the parts, each of those before it.
func (a *App) open(ctx context.Context, cfg *config.Config, x extras) (err error) {
	if a.store, err = a.openStore(cfg.Session); err != nil {
		return fmt.Errorf("session.store: %w", err)
	}
	first, err := a.newGeneration(cfg, nil)
	if err != nil {
		return err
	}
	if a.sessions, err = newSessions(cfg, a, first.provider, x); err != nil { //nolint:contextcheck // what an observer writes outlives the request that caused it
		return err
	}
	if err := first.open(a, nil); err != nil {
		return err
	}
	a.now.Store(first)
	a.showCounts()
	var browsers http.Handler = http.HandlerFunc(a.serveBrowsers)
	if x.door != nil {
		browsers = x.door(browsers)
	}
	a.public, a.ingress = a.server(browsers), a.server(http.HandlerFunc(a.serveFrontProxies))
	return a.listen(ctx, cfg)
}

// store is a session store with a life of its own.
type store interface {
	session.Store
	Run(ctx context.Context) error
	Close() error
}

// openStore opens the file of one process, or the Redis of many. A file that cannot be
// opened is an error; a Redis that is away is none, and is waited for.
func (a *App) openStore(s config.Session) (store, error) {
	if s.Store.URL.IsZero() {
		file, err := a.openFile(s.Store.Bolt)
		if err != nil {
			return nil, err
		}
		return file, nil
	}
	shared, err := redisstore.Open(s.Store.URL.Reveal(), redisstore.Options{WaitReplicas: s.WaitReplicas, Log: a.log})
	if err != nil {
		return nil, err
	}
	return shared, nil
}

// openFile opens the store file, which may have to be asked for.
func (a *App) openFile(path string) (*movable, error) {
	before, given := a.inherited.Predecessor, false
	if before != nil {
		var err error
		if given, err = before.TakeStore(path); err != nil {
			return nil, err
		}
	}
	file, err := openMovable(path, a.log)
	if err != nil || !given {
		return file, err
	}
	a.alone = false
	if a.borrower, err = before.Opened(); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// listen opens what is not open yet.
func (a *App) listen(ctx context.Context, cfg *config.Config) (err error) {
	if cfg.TLS.CertFile != "" {
		pair, err := newCertificate(cfg.TLS.CertFile, cfg.TLS.KeyFile, a.log)
		if err != nil {
			return err
		}
		a.public.TLSConfig = pair.config()
	}
	if a.onPublic == nil {
		if a.onPublic, err = a.inherited.Listen(ctx, cfg.Listen); err != nil {
			return fmt.Errorf("listen: %w", err)
		}
	}
	if cfg.ForwardAuth.Listen != "" {
		if a.onIngress, err = a.inherited.Listen(ctx, cfg.ForwardAuth.Listen); err != nil {
			return fmt.Errorf("forward_auth.listen: %w", err)
		}
	}
	if a.onAdmin, err = a.inherited.Listen(ctx, cfg.Admin.Listen); err != nil {
		return fmt.Errorf("admin.listen: %w", err)
	}
	if rest := a.inherited.CloseRest(); len(rest) > 0 {
		a.log.Warn("listeners that this process was given stand at addresses that the configuration does not name; they are closed", "listen", rest)
	}
	host, _, err := net.SplitHostPort(cfg.Admin.Listen)
	if err != nil {
		return fmt.Errorf("admin.listen: %w", err)
	}
	a.admin = a.server((&admin{
		token: cfg.Admin.Token, host: host, ready: a.ready, metrics: a.scrape(),
		operators: &operators{sessions: a.sessions, store: a.store, issuers: a.now.Load().provider.Filed(), now: time.Now},
		audit:     a.audit, log: a.log,
	}).handler())
	return nil
}

func newProvider(cfg *config.Config, a *App) (*oidc.Client, error) {
	p, err := providerConfig(cfg)
	if err != nil {
		return nil, err
	}
	p.Log, p.Observe, p.Tracer = a.log, a.metrics.ProviderCall, a.following()
	return oidc.New(p)
}

// providerConfig is what the provider client is told: what the configuration has, and of
// the preset what has no key.
func providerConfig(cfg *config.Config) (oidc.Config, error) {
	p := cfg.Provider
	known, _ := preset.Find(p.Preset) // the zero Preset knows nothing
	transport, err := trusting(p.CAFile)
	if err != nil {
		return oidc.Config{}, fmt.Errorf("provider.ca_file: %w", err)
	}
	landing := cfg.PostLogoutURL
	if strings.HasPrefix(landing, "/") {
		landing = cfg.PublicURL.String() + landing
	}
	issuers := oidc.Issuers{AnySlash: known.AnySlash && p.Profile == config.NoProfile, Also: p.Issuers, Tenants: p.AllowedTenants}
	if len(p.AllowedTenants) > 0 {
		issuers.AnySlash, issuers.Template = false, p.IssuerTemplate
	}
	dead := make(map[string]session.Class, len(known.DeadTokenErrors))
	for _, code := range known.DeadTokenErrors {
		dead[code] = session.Refused
	}
	asked := wishesOf(cfg.Routes)
	return oidc.Config{
		Issuer: p.Issuer, Issuers: issuers, DiscoveryURL: p.DiscoveryURL,
		ClientID: p.ClientID, ClientSecret: p.ClientSecret, ClientAuth: oidc.AuthMethod(p.ClientAuth), ClientKeys: p.ClientKeys,
		Assertion:         clientAssertion(p.ClientAssertion),
		SenderConstrained: senderConstraint(p.SenderConstrained),
		Profile:           oidc.Profile(p.Profile),
		RedirectURL:       cfg.PublicURL.String() + cfg.BasePath + "/callback",
		PostLogoutURL:     landing,
		Scopes:            p.Scopes, Audience: p.Audience, Resource: p.Resource, AuthorizeParams: p.AuthorizeParams,
		RouteResources: asked.resources, AuthorizationDetails: asked.details,
		PAR: oidc.Usage(p.PAR), JAR: oidc.Usage(p.JAR), ResponseMode: oidc.ResponseMode(p.ResponseMode),
		Logout: p.Logout, LogoutFallback: known.LogoutFallback, LogoutHint: p.LogoutHint, NoIDTokenHint: !p.IDTokenHint,
		UserInfo:    p.UserInfo,
		ExpiryClaim: cfg.Session.ExpiryClaim, IdleTimeout: cfg.Session.IdleTimeout,
		ScopeOnRefresh: p.ScopeOnRefresh == config.SendScope, RefreshScopes: known.RefreshScopes, RefreshErrors: dead,
		Endpoints: oidc.Endpoints(p.Endpoints), Timeout: p.Timeout, ClockSkew: p.ClockSkew,
		Transport: transport,
	}, nil
}

// clientAssertion is how the provider client shapes its assertions.
func clientAssertion(a config.ClientAssertion) oidc.Assertion {
	return oidc.Assertion{
		Audience: map[config.AssertionAudience]oidc.AssertionAudience{config.ForTokenEndpoint: oidc.ForTokenEndpoint, config.ForEndpoint: oidc.ForEndpoint}[a.Audience],
		Typed:    a.Type == config.TypedJWT,
	}
}

// senderConstraint is what the provider client knows it by.
func senderConstraint(c config.SenderConstraint) oidc.SenderConstraint {
	return map[config.SenderConstraint]oidc.SenderConstraint{config.DPoP: oidc.DPoP, config.MTLSBound: oidc.CertificateBound}[c]
}

// trusting is a transport that also trusts the roots in a file. nil: the system's roots.
func trusting(file string) (http.RoundTripper, error) {
	if file == "" {
		return nil, nil
	}
	trusted, err := roots(file)
	if err != nil {
		return nil, err
	}
	t, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return nil, errors.New("app: the default transport is another than Go's")
	}
	t = t.Clone()
	t.TLSClientConfig = &tls.Config{RootCAs: trusted, MinVersion: tls.VersionTLS12}
	return t, nil
}

func newSessions(cfg *config.Config, a *App, provider *oidc.Client, x extras) (*session.Manager, error) {
	terms, err := a.sessionTerms(cfg, provider)
	if err != nil {
		return nil, err
	}
	terms.Store, terms.Tracer, terms.Log = a.metrics.Store(a.store, a.following()), a.following(), x.Log
	terms.Observe = func(e session.Event) {
		a.metrics.Session(e)
		a.audit.Session(e)
		if x.event != nil {
			x.event(e)
		}
	}
	return session.New(terms)
}

// sessionTerms is what the configuration says of sessions, and what may change while they
// live. The caller has locked changing, or is alone with the App.
func (a *App) sessionTerms(cfg *config.Config, provider *oidc.Client) (session.Config, error) {
	ring, err := keyring(cfg.Session.Keys)
	if err != nil {
		return session.Config{}, fmt.Errorf("session.keys: %w", err)
	}
	s := cfg.Session
	return session.Config{
		Keys: ring, Refresher: provider, Issuer: provider,
		IdleTimeout: s.IdleTimeout, AbsoluteTimeout: s.AbsoluteTimeout, MaxPerUser: s.MaxPerUser,
		BeforeExpiry: s.Refresh.BeforeExpiry, Wait: s.Refresh.Wait,
		// The client's own time-out comes first: it knows how far the request had come.
		Exchange:   cfg.Provider.Timeout + time.Second,
		LostAnswer: map[config.UnknownOutcome]session.LostAnswer{config.WaitForExpiry: session.WaitForExpiry, config.RetryAtOnce: session.RetryAtOnce}[s.Refresh.UnknownOutcome],
		KeepTokens: !cfg.Provider.RevokeOnLogout,
		SoleOwner:  s.Store.URL.IsZero() && a.alone,
		StoreGrace: s.StoreGrace, CacheBytes: s.Cache, Rate: s.Refresh.Rate.PerSecond(),
		ByEmail: cfg.Signals.Issuer != "", // security events may know users by their address
	}, nil
}

func keyring(keys []secret.Text) (*session.Keyring, error) {
	raw := make([][]byte, len(keys))
	for i, k := range keys {
		raw[i] = []byte(k.Reveal())
	}
	return session.NewKeyring(raw...)
}

// newGateway makes a gateway in the place of after, which may be nil.
func newGateway(cfg *config.Config, a *App, provider *oidc.Client, after *proxy.Gateway) (*proxy.Gateway, error) {
	routes := make([]proxy.Route, len(cfg.Routes))
	for i, r := range cfg.Routes {
		routes[i] = newRoute(r)
		if err := setUpstream(&routes[i], r, bindingOf(cfg, r), a.shapes, a.log); err != nil {
			return nil, fmt.Errorf("routes[%d].%w", i, err)
		}
	}
	published, err := cfg.Provider.ClientKeys.Public()
	if err != nil {
		return nil, fmt.Errorf("provider.client_key_file: %w", err)
	}
	signals, err := newSignals(&cfg.Signals, provider)
	if err != nil {
		return nil, fmt.Errorf("signals: %w", err)
	}
	known, _ := preset.Find(cfg.Provider.Preset) // the zero Preset knows nothing
	return proxy.New(proxy.Config{
		PublicURL: cfg.PublicURL, BasePath: cfg.BasePath, PostLogoutURL: cfg.PostLogoutURL,
		Cookie: proxy.Cookie{
			Name: cfg.Session.Cookie.Name, Lax: cfg.Session.Cookie.SameSite == config.Lax,
			UntilBrowserCloses: !cfg.Session.Cookie.Persistent,
		},
		TrustedProxies: cfg.TrustedProxies, Origins: cfg.CORS.Origins, Routes: routes, LoginParams: cfg.Provider.LoginParams,
		ConfirmLogins:    cfg.Provider.Profile == config.FAPI2,
		ClaimsChallenges: known.ClaimsChallenges, ClientKeys: published,
		Sessions: a.sessions, Provider: provider, AbsoluteTimeout: cfg.Session.AbsoluteTimeout, After: after,
		ExplainToken: session.Token(cfg.Admin.Token.Reveal()), Explained: a.audit.Explained,
		Signals: signals, Signalled: a.signalled,
		Observe: a.metrics.Request, ObserveStream: a.metrics.Stream, Refused: a.audit.Refused,
		Tracer: a.following(), Log: a.log,
	})
}

func newRoute(r config.Route) proxy.Route {
	out := proxy.Route{
		Path: r.Path, Host: r.Host, Methods: r.Methods, Files: r.Files, StripPrefix: r.StripPrefix,
		Access:          map[config.Access]proxy.Access{config.Required: proxy.Required, config.Optional: proxy.Optional, config.Public: proxy.Public}[r.Access],
		Token:           tokenKind(r.Token),
		Target:          targetOf(r),
		Require:         proxy.Require{Scopes: r.Require.Scopes, Claims: r.Require.Claims, ACR: strings.Fields(r.Require.ACR), MaxAge: r.Require.MaxAge},
		Unauthenticated: map[config.Unauthenticated]proxy.Unauthenticated{config.ByRequest: proxy.ByRequest, config.Login: proxy.Login, config.Deny: proxy.Deny}[r.Unauthenticated],
		SetHeaders:      make(map[string]string, len(r.SetHeaders)),
		RemoveHeaders:   r.RemoveHeaders, Timeout: r.Timeout, StreamMaxAge: r.StreamMaxAge, MaxBody: r.MaxBody,
		Rewriting:     map[config.Rewriting]proxy.Rewriting{config.WhereMoved: proxy.WhereMoved, config.Always: proxy.Always, config.Never: proxy.Never}[r.Rewriting],
		Authorization: credential(r.UpstreamAuth), Assertion: proxy.Assertion(r.Assertion), AllowBearer: r.AllowBearer,
		InsecureNoCSRF: r.InsecureNoCSRF, Background: r.Background, KeepEncodedSlashes: r.EncodedSlashes == config.Keep,
	}
	for name, template := range r.SetHeaders {
		out.SetHeaders[name] = template.Reveal()
	}
	return out
}

// credential is the value of Authorization that an upstream gets from the gateway itself.
func credential(a config.UpstreamAuth) session.Token {
	if a.User.IsZero() {
		return session.Token(a.Authorization.Reveal())
	}
	return session.Token("Basic " + base64.StdEncoding.EncodeToString([]byte(a.User.Reveal()+":"+a.Password.Reveal())))
}

func tokenKind(t config.Token) proxy.TokenKind {
	return map[config.Token]proxy.TokenKind{
		config.UserToken: proxy.UserToken, config.ClientToken: proxy.ClientToken, config.UserOrClientToken: proxy.UserOrClientToken,
		config.ExchangedToken: proxy.ExchangedToken, config.Passthrough: proxy.Passthrough, config.NoToken: proxy.NoToken,
	}[t]
}

// targetOf is what a route's token is for. Two routes that ask for the same scopes in
// another order share a token.
func targetOf(r config.Route) session.Target {
	t := session.Target{
		Audience: r.Audience, Resource: r.Resource, Scope: strings.Join(slices.Sorted(slices.Values(r.Scopes)), " "),
		Actor: r.Actor == config.ClientActor,
	}
	if len(r.AuthorizationDetails) > 0 {
		t.Details = "[" + strings.Join(slices.Sorted(slices.Values(r.AuthorizationDetails)), ",") + "]"
	}
	return t
}

// wishes are what the routes' tokens are for that come of a login's refresh token: the login
// asks for all of it.
type wishes struct{ resources, details []string }

func wishesOf(routes []config.Route) (w wishes) {
	for _, r := range routes {
		if !r.UsersToken() {
			continue
		}
		if r.Resource != "" && !slices.Contains(w.resources, r.Resource) {
			w.resources = append(w.resources, r.Resource)
		}
		for _, d := range r.AuthorizationDetails {
			if !slices.Contains(w.details, d) {
				w.details = append(w.details, d)
			}
		}
	}
	return w
}
