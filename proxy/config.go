package proxy

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"strings"
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

	// Origins are those whose pages may call the gateway with the ticket and read its answers
	// (CORS), beside the public one: of the same site, as browsers write them. None by default.
	Origins []string

	// Routes say which request goes where. They are matched by New's rules, not by
	// their order.
	Routes []Route

	// LoginParams are the parameters that /bff/login passes on to the provider.
	LoginParams []string

	// ConfirmLogins asks the user about a login that no page of this application has started,
	// and that was not typed in either, before it begins.
	ConfirmLogins bool

	// ClientKeys are further public keys for /bff/jwks.json, as JSON Web Keys: those that the
	// gateway proves itself with at the provider.
	ClientKeys []json.RawMessage

	// ClaimsChallenges says that the provider's APIs ask for a login with claims of its own
	// by a 401 insufficient_claims, as those of Entra ID do.
	ClaimsChallenges bool

	Sessions *session.Manager // required
	Provider *oidc.Client     // required

	// AbsoluteTimeout is the Max-Age of a persistent ticket cookie.
	AbsoluteTimeout time.Duration

	// Observe, if set, is told of every request that was answered. It must not block.
	Observe func(Served)

	// ObserveStream, if set, is told of every stream that opens (+1) and ends (-1). It
	// must not block.
	ObserveStream func(kind StreamKind, change int)

	// Signals says whose security events are taken; the zero value takes none.
	Signals Signals
	// Signalled, if set, is told of every security event that was taken. It must not block.
	Signalled func(Signal)

	// Refused, if set, is told of the requests that the audit trail wants to know of, beside
	// Observe. It must not block.
	Refused func(Refusal)

	// ExplainToken lets an operator ask what becomes of a request, by sending it in
	// X-Cloakroom-Explain; empty: nobody may ask.
	ExplainToken session.Token
	// Explained, if set, is told of everybody who asked. It must not block.
	Explained func(Explained)

	// After is the Gateway in whose place the new one comes; nil if it is the first. See Gateway.
	After *Gateway

	// Tracer, if set, follows requests through the gateway and on to the upstream.
	Tracer Tracer

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
	Public                 // anybody, without claims and the user's token
)

// TokenKind says what Authorization a route's upstream gets.
type TokenKind int

// The kinds of tokens.
const (
	UserToken   TokenKind = iota // the session's access token
	NoToken                      // none
	Passthrough                  // the client's own Authorization, untouched

	ClientToken       // the gateway's own (client credentials), whoever asks
	UserOrClientToken // the session's; without a ticket the gateway's own
	ExchangedToken    // one that the session's was traded for (RFC 8693)
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
	Host     string     // empty: the public host
	Methods  []string   // empty: all but TRACE and CONNECT
	Upstream *url.URL   // this or Files
	Replicas []*url.URL // servers that do the same as Upstream, at the same path
	Files    string     // directory of static files with SPA fallback

	// UpstreamTLS is for https upstreams; nil means the system's roots and no certificate.
	// Routes with the same one share connections.
	UpstreamTLS *UpstreamTLS
	// Balance is for upstreams with replicas.
	Balance Balance

	StripPrefix     string
	Access          Access
	Token           TokenKind
	Unauthenticated Unauthenticated

	// Target is what the token for this upstream is for; the zero Target is the token of the
	// login.
	Target session.Target
	// Require is what a session must have to use the route.
	Require Require

	SetHeaders    map[string]string // name → template: "{claims.sub}"
	RemoveHeaders []string

	// Authorization is the gateway's own credential for the upstream, as the header's whole
	// value, in the place of a token. Empty: none.
	Authorization session.Token
	// Assertion tells the upstream who asks in a way that it can check.
	Assertion Assertion
	// Rewriting says whether addresses and cookies in answers are written as browsers have to
	// see them.
	Rewriting Rewriting
	// AllowBearer lets a request without a ticket pass with a bearer token of its own. The
	// upstream judges it: Require is not asked, and nothing of SetHeaders, Authorization and
	// Assertion goes along.
	AllowBearer bool

	Timeout time.Duration // until the response header; zero means 30 seconds
	// StreamMaxAge ends WebSockets and event streams; zero means that they may last as long
	// as their session.
	StreamMaxAge time.Duration
	MaxBody      int64 // bytes; zero means 10 MiB

	// InsecureNoCSRF lets any site use the route with the browser's session.
	InsecureNoCSRF bool
	// Background requests do not count as user activity.
	Background bool
	// KeepEncodedSlashes lets %2F through, as an ordinary character.
	KeepEncodedSlashes bool
}

// check finds what would make a gateway that nobody can use or that is not safe.
func (c *Config) check() error {
	switch u := c.PublicURL; {
	case u == nil:
		return errors.New("proxy: PublicURL is missing")
	case u.Scheme != "https" && u.Scheme != "http", u.Host == "":
		return fmt.Errorf("proxy: PublicURL %q is no http or https URL with a host", u)
	case u.User != nil, u.Path != "" && u.Path != "/", u.RawQuery != "", u.Fragment != "":
		return fmt.Errorf("proxy: PublicURL %q has more than scheme, host and port", u.Redacted())
	}
	if err := c.checkOrigins(); err != nil {
		return err
	}
	if c.Sessions == nil {
		return errors.New("proxy: Sessions is missing")
	}
	if c.Provider == nil {
		return errors.New("proxy: Provider is missing")
	}
	if c.BasePath != "" && (!plainPath(c.BasePath) || strings.Trim(c.BasePath, "/") == "") {
		return fmt.Errorf("proxy: BasePath %q must be a plain path such as /bff", c.BasePath)
	}
	return nil
}

// withDefaults fills in what the zero value means.
func (c Config) withDefaults() Config {
	if c.BasePath == "" {
		c.BasePath = "/bff"
	}
	if c.PostLogoutURL == "" {
		c.PostLogoutURL = "/"
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}
