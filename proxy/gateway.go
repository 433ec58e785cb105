// Package proxy is the gateway's HTTP side: requests come in, are judged, get their token
// from package session and go out to an upstream.
//
//	request ─▶ path and host ─▶ route ─▶ classify ─▶ ticket ─▶ token ─▶ Rewrite ─▶ upstream
//	                  │
//	                  └▶ /bff/login  /bff/callback  /bff/user  /bff/session …
//
// A [Gateway] is a value: several can live in one process. Handlers return errors; one
// place (problem.go) turns an error into status, code, page and log line, and what the
// client sees never holds the detail.
package proxy

import (
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/oidc"
	"github.com/cloakroom-bff/cloakroom/session"
)

// Config configures a [Gateway].
type Config struct {
	// PublicURL is what the browser sees: scheme, host and port, no path. Redirect URI,
	// cookie names, CSRF and WebSocket origin follow from it. Required.
	PublicURL *url.URL

	// BasePath is where the gateway's own endpoints live; empty means "/bff".
	BasePath string

	// PostLogoutURL is where the browser lands after a logout; empty means "/".
	PostLogoutURL string

	// Cookie shapes the ticket's cookie.
	Cookie Cookie

	// TrustedProxies are the peers whose Forwarded and X-Forwarded-* headers are
	// believed; none by default.
	TrustedProxies []netip.Prefix

	// Routes say which request goes where. They are matched by New's rules, not by
	// their order.
	Routes []Route

	// LoginParams are the parameters that /bff/login passes on to the provider.
	LoginParams []string

	Sessions *session.Manager // required
	Provider *oidc.Client     // required

	// AbsoluteTimeout is the Max-Age of a persistent ticket cookie.
	AbsoluteTimeout time.Duration

	// Observe, if set, is told of every request that was answered. It must not block.
	Observe func(Served)

	Log *slog.Logger // nil: nowhere

	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Cookie shapes the ticket's cookie. The zero value is the safe choice.
type Cookie struct {
	// Name of the ticket; empty means __Host-Http-cloakroom under https and cloakroom
	// on loopback http.
	Name string
	// Lax sends the ticket with cross-site navigations; false means SameSite=Strict.
	Lax bool
	// UntilBrowserCloses leaves out Max-Age; false means Max-Age is AbsoluteTimeout.
	UntilBrowserCloses bool
}

// Access says who may use a route.
type Access int

// The kinds of access.
const (
	Required Access = iota // a session, or 401, or the login
	Optional               // anonymous without a session, else like Required
	Public                 // anybody, without token and claims
)

// TokenKind says what Authorization a route's upstream gets.
type TokenKind int

// The kinds of tokens.
const (
	UserToken   TokenKind = iota // the session's access token
	NoToken                      // none
	Passthrough                  // the client's own Authorization, untouched
)

// Unauthenticated says how a route answers a request that has no session.
type Unauthenticated int

// The answers to a request without a session.
const (
	ByRequest Unauthenticated = iota // the login for a navigation, 401 for the rest
	Login                            // the login for every GET
	Deny                             // always 401
)

// Route is one rule: which requests, to which upstream, with which token. Path is a prefix
// if it ends in "/", else exact; the longest wins.
type Route struct {
	Path     string
	Host     string   // empty: the public host
	Methods  []string // empty: all but TRACE and CONNECT
	Upstream *url.URL // this or Files
	Files    string   // directory of static files with SPA fallback

	StripPrefix     string
	Access          Access
	Token           TokenKind
	Unauthenticated Unauthenticated

	SetHeaders    map[string]string // name → template: "{claims.sub}"
	RemoveHeaders []string

	Timeout time.Duration // until the response header; zero means 30 seconds
	MaxBody int64         // bytes; zero means 10 MiB

	// InsecureNoCSRF lets any site use the route with the browser's session.
	InsecureNoCSRF bool
	// Background requests do not count as user activity.
	Background bool
	// KeepEncodedSlashes lets %2F through, as an ordinary character.
	KeepEncodedSlashes bool
}

// Served tells of one request that was answered.
type Served struct {
	Route  string // the route's path, "bff" for an endpoint of the gateway, "" for none
	Method string
	Status int
	Code   string // of an error of the gateway's own
	Took   time.Duration
}

// Gateway is an http.Handler.
type Gateway struct {
	cfg Config
}

// New returns a Gateway, or an error that says what is wrong with the configuration.
func New(cfg Config) (*Gateway, error) { return &Gateway{cfg: cfg}, nil }

// ServeHTTP implements http.Handler.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {}
