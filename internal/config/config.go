// Package config reads config.yaml. It tells every problem at once, with its position and
// what to write instead, and knows nobody: what the values mean is wired elsewhere.
//
//	config.yaml ──▶ nodes ──▶ overrides ──▶ fields ──▶ checks ──▶ *Config
//	                  ▲           ▲         ▲    ▲
//	              positions  CLOAKROOM_…    │   ${env:…} ${file:…}
//	                             provider.preset
//
// One description, in keys.go, says which keys there are, what they may hold, what they
// are without being written, and what they are for. Reading, suggestions, the names of
// the overriding variables, the JSON Schema and the printed configuration follow from it.
// A preset changes what some keys are without being written, and nothing else. A profile does
// that, too, and holds what is written against its rules.
//
//	cfg, warnings, err := config.Load("config.yaml", os.Environ())
//
// In every string, ${env:NAME} stands for an environment variable and ${file:PATH} for a
// file's content without the newline at its end; $${ is a plain ${. Relative paths, there
// and in every key that names a file, begin at the directory of the configuration file.
//
// A variable such as CLOAKROOM_SESSION_IDLE_TIMEOUT goes before session.idle_timeout of the
// file. A list is written with commas. CLOAKROOM_ROUTES_0_UPSTREAM is the first route's.
// References work there, too.
package config

import (
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/clientkey"
	"github.com/cloakroom-bff/cloakroom/internal/secret"
)

// Config is a configuration that has been checked: defaults are filled in, references
// resolved, paths absolute. It prints no secret.
type Config struct {
	PublicURL      *url.URL // scheme and host, no path
	Listen         string
	TLS            TLS
	MaxConnections int // at a time, on each listener
	Drain          Drain
	Admin          Admin
	ForwardAuth    ForwardAuth
	PostLogoutURL  string // a path, or an absolute URL
	BasePath       string // begins with a slash and does not end in one
	TrustedProxies []netip.Prefix
	CORS           CORS
	Provider       Provider
	Session        Session
	Signals        Signals
	Routes         []Route
	Log            Log
	Telemetry      Telemetry

	effective []byte
	file      string
	files     []Reference
}

// Reference is a file whose content stands in the place of a ${file:…}.
type Reference struct {
	Key  string // such as session.keys[0]
	File string // absolute path
}

// TLS is the public listener's certificate; empty means plain HTTP.
type TLS struct{ CertFile, KeyFile string }

// Admin is the operator's listener.
type Admin struct {
	Listen string
	Token  secret.Text
}

// CORS says which other origins' pages may call the gateway: as browsers write them, of the
// same site as public_url.
type CORS struct{ Origins []string }

// Drain says how long what is under way may take when the process ends.
type Drain struct {
	Stop    time.Duration // requests, at a shutdown
	Restart time.Duration // connections, when another process has taken over
}

// ForwardAuth is the ingress's listener; empty means none.
type ForwardAuth struct{ Listen string }

// ClientAuth is how the client authenticates at the provider.
type ClientAuth string

// The methods of client authentication (OpenID Connect Core §9, RFC 8705 §2).
const (
	SecretBasic   ClientAuth = "client_secret_basic"
	SecretPost    ClientAuth = "client_secret_post"
	SecretJWT     ClientAuth = "client_secret_jwt"
	PrivateKeyJWT ClientAuth = "private_key_jwt"
	MutualTLS     ClientAuth = "tls_client_auth"
	SelfSignedTLS ClientAuth = "self_signed_tls_client_auth"
	NoClientAuth  ClientAuth = "none"
)

// ClientAssertion shapes the client's word about itself (RFC 7523).
type ClientAssertion struct {
	Audience AssertionAudience
	Type     AssertionType
}

// AssertionAudience is who an assertion is for.
type AssertionAudience string

// The audiences of assertions: since rfc7523bis the issuer, before it an endpoint.
const (
	ForIssuer        AssertionAudience = "issuer"
	ForTokenEndpoint AssertionAudience = "token_endpoint"
	ForEndpoint      AssertionAudience = "endpoint" // the one that is asked
)

// AssertionType is the typ of an assertion's header.
type AssertionType string

// The types of assertions.
const (
	PlainJWT AssertionType = "JWT"
	TypedJWT AssertionType = "client-authentication+jwt" // rfc7523bis
)

// SenderConstraint is what keeps a stolen token from being used by the thief.
type SenderConstraint string

// The ways to bind tokens to the gateway.
const (
	NotConstrained SenderConstraint = "none"
	DPoP           SenderConstraint = "dpop" // RFC 9449
	MTLSBound      SenderConstraint = "mtls" // the certificate of client_key_file (RFC 8705 §3)
)

// Provider is the OpenID provider.
type Provider struct {
	Preset          string
	Issuer          string   // as it is written, to be compared byte for byte
	Issuers         []string // other spellings of it in ID tokens
	IssuerTemplate  string   // with {tenantid}; counts if AllowedTenants has some
	AllowedTenants  []string
	DiscoveryURL    string // empty: below the issuer
	ClientID        string
	ClientSecret    secret.Text
	ClientAuth      ClientAuth
	ClientKeyFile   string
	ClientKeys      *clientkey.Set // what stands in ClientKeyFile; nil for none
	ClientAssertion ClientAssertion
	Scopes          []string
	ScopeOnRefresh  ScopeOnRefresh
	Audience        string
	Resource        []string
	AuthorizeParams map[string]string
	PAR             Usage
	JAR             Usage
	ResponseMode    string
	Profile         Profile
	LoginParams     []string
	Logout          string
	LogoutHint      string // a claim's name; empty: sid, where the ID token does not go
	RevokeOnLogout  bool
	IDTokenHint     bool
	UserInfo        bool
	Endpoints       Endpoints
	Timeout         time.Duration
	ClockSkew       time.Duration
	CAFile          string

	SenderConstrained SenderConstraint // what tokens are bound to
}

// Profile is a set of rules that the rest of the provider's section is held to.
type Profile string

// The profiles.
const (
	NoProfile Profile = ""
	FAPI2     Profile = "fapi2" // FAPI 2.0 Security Profile
)

// ScopeOnRefresh says whether a refresh names the scopes of the login.
type ScopeOnRefresh string

// The ways with scopes at a refresh. Those of a route are named in any case.
const (
	OmitScope ScopeOnRefresh = "omit"
	SendScope ScopeOnRefresh = "send"
)

// Usage says when something is used that a provider may offer or demand.
type Usage string

// The usages.
const (
	ByProvider Usage = "auto"
	UseAlways  Usage = "always"
	UseNever   Usage = "never"
)

// Endpoints are addresses that go before those of the discovery document; empty ones do not.
type Endpoints struct {
	Authorization, Token, JWKS, Revocation, EndSession, UserInfo, PushedAuthorizationRequest string
}

// Session says where sessions live and for how long.
type Session struct {
	Store           Store
	Keys            []secret.Text // 32 bytes each, newest first
	Cookie          Cookie
	IdleTimeout     time.Duration
	AbsoluteTimeout time.Duration
	ExpiryClaim     string // of the ID token: when the provider wants the session to be over
	MaxPerUser      int    // 0: no limit
	StoreGrace      time.Duration
	Cache           int64 // bytes
	WaitReplicas    int
	Refresh         Refresh
}

// Store is where session records live: one of the two is set.
type Store struct {
	Bolt string      // the path of a bbolt file
	URL  secret.Text // of Redis; it can hold a password
}

// SameSite is the attribute of the ticket's cookie.
type SameSite string

// The attributes that keep a session safe. None does not.
const (
	Strict SameSite = "strict"
	Lax    SameSite = "lax"
)

// Cookie shapes the ticket's cookie.
type Cookie struct {
	Name       string // empty: the gateway's own choice
	SameSite   SameSite
	Persistent bool
}

// Refresh says when tokens are refreshed, and how often.
type Refresh struct {
	BeforeExpiry   time.Duration
	Wait           time.Duration
	Rate           Rate
	UnknownOutcome UnknownOutcome
}

// UnknownOutcome says when a refresh token whose answer was lost is presented once more.
type UnknownOutcome string

// The ways with a lost answer.
const (
	WaitForExpiry UnknownOutcome = "wait"  // when the access token has run out
	RetryAtOnce   UnknownOutcome = "retry" // within a second
)

// Access says who may use a route.
type Access string

// The kinds of access.
const (
	Required Access = "required"
	Optional Access = "optional"
	Public   Access = "public"
)

// Token says which token a route's upstream gets.
type Token string

// The kinds of tokens.
const (
	UserToken         Token = "user"
	ClientToken       Token = "client"
	UserOrClientToken Token = "user_or_client"
	ExchangedToken    Token = "exchange"
	Passthrough       Token = "passthrough"
	NoToken           Token = "none"
)

// Actor says who acts for the user in a token that was traded.
type Actor string

// The actors.
const (
	NoActor     Actor = "none"
	ClientActor Actor = "client" // the gateway
)

// Unauthenticated says how a request without a session is answered.
type Unauthenticated string

// The answers to a request without a session.
const (
	ByRequest Unauthenticated = "auto"
	Login     Unauthenticated = "login"
	Deny      Unauthenticated = "401"
)

// Rewriting says whether addresses in an upstream's answers are written for the browser.
type Rewriting string

// The ways with an upstream's answers.
const (
	WhereMoved Rewriting = "auto"
	Always     Rewriting = "always"
	Never      Rewriting = "never"
)

// EncodedSlashes says what becomes of a path with %2F.
type EncodedSlashes string

// The ways with encoded slashes.
const (
	Reject EncodedSlashes = "reject"
	Keep   EncodedSlashes = "keep"
)

// Route is one rule. Either Upstream or Files is set.
type Route struct {
	Path            string
	Host            string
	Methods         []string
	Upstream        []*url.URL
	Files           string // absolute path of a directory
	StripPrefix     string
	Access          Access
	Token           Token
	Audience        string
	Resource        string
	Scopes          []string
	Actor           Actor
	Require         Require
	Unauthenticated Unauthenticated
	SetHeaders      map[string]secret.Text // name → template; a fixed value may be a key
	RemoveHeaders   []string
	Timeout         time.Duration
	StreamMaxAge    time.Duration // 0: as long as the session
	MaxBody         int64         // bytes
	InsecureNoCSRF  bool
	Background      bool
	AllowBearer     bool
	Rewriting       Rewriting
	UpstreamAuth    UpstreamAuth
	Assertion       Assertion
	EncodedSlashes  EncodedSlashes
	UpstreamTLS     UpstreamTLS
	Balance         Balance

	AuthorizationDetails []string // objects, each as JSON
}

// Require is what a session must have for a route.
type Require struct {
	Scopes []string
	Claims map[string][]string
	ACR    string        // one or several, separated by spaces; empty: any
	MaxAge time.Duration // 0: any
}

// UpstreamAuth is the gateway's own credential for an upstream: a user with a password, or
// the whole value of Authorization.
type UpstreamAuth struct{ User, Password, Authorization secret.Text }

// Assertion is a signed word about the user for an upstream; without a header there is none.
type Assertion struct {
	Header, Audience string
	Claims           []string
}

// UpstreamTLS shapes the connection to an https upstream.
type UpstreamTLS struct{ CAFile, CertFile, KeyFile, ServerName string }

// Balance says how requests are spread over several upstreams.
type Balance struct {
	Sticky         bool
	HealthPath     string // empty: connecting is enough
	HealthInterval time.Duration
}

// Log says what is logged and how: format is json or text.
type Log struct {
	Level  slog.Level
	Format string
}

// Telemetry says where traces go; empty means nowhere.
type Telemetry struct{ OTLPEndpoint string }

// Load reads the file at path and the environment, given as "NAME=value" lines. All that
// is wrong comes in one error of type [Problems]. What works but weakens comes as
// warnings, whether there is an error or not.
func Load(path string, environ []string) (*Config, Problems, error) {
	env, overrides := readEnviron(environ)
	dir, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return nil, nil, fmt.Errorf("config: %w", err)
	}
	cfg := &Config{}
	keys := cfg.keys()
	r := &reader{file: path, dir: dir, env: env, top: keys, places: map[string]position{}, broken: map[string]bool{}}
	data, err := readFile(path, maxFile)
	if err != nil {
		text := fmt.Sprintf("the file cannot be read (%v): create it, or name another one with --config", err)
		return nil, nil, Problems{r.say(position{line: 1, column: 1}, text)}
	}
	root := parse(string(data), func(at position, text string) { r.problems = append(r.problems, r.say(at, text)) })
	if root != nil && root.kind != mapping && root.kind != null {
		r.problems = append(r.problems, r.say(root.at, "the file is "+root.kind.String()+": write keys and values, such as public_url: https://app.example.com"))
		root = nil
	}
	if root == nil {
		return nil, nil, r.problems.sorted()
	}
	r.override(root, keys, overrides)
	keys = r.profile(root).apply("", r.preset(root).apply("", keys))
	r.group("", keys, root)
	r.check(cfg)
	if len(r.problems) > 0 {
		return nil, r.warnings.sorted(), r.problems.sorted()
	}
	cfg.effective, cfg.file = printed(keys, root), r.path(filepath.Base(path))
	// A preset's name is read before anything has a key.
	cfg.files = slices.DeleteFunc(r.files, func(ref Reference) bool { return ref.Key == "" })
	return cfg, r.warnings.sorted(), nil
}

// YAML returns the effective configuration: what was written, what a variable put in its
// place, and the defaults. Secrets are masked, and a reference stands as it was written.
func (c *Config) YAML() []byte { return c.effective }

// File is the absolute path of the configuration file.
func (c *Config) File() string { return c.file }

// Files lists the files that references of the configuration name, in the order of keys.
func (c *Config) Files() []Reference { return slices.Clone(c.files) }

// prefix is what the names of overriding variables begin with.
const prefix = "CLOAKROOM_"

// readEnviron splits an environment. As in os.Getenv, the first of two values counts.
func readEnviron(environ []string) (env, overrides map[string]string) {
	env, overrides = map[string]string{}, map[string]string{}
	for _, line := range environ {
		name, value, ok := strings.Cut(line, "=")
		if _, seen := env[name]; !ok || seen {
			continue
		}
		env[name] = value
		if strings.HasPrefix(name, prefix) && !ofKubernetes(name) {
			overrides[name] = value
		}
	}
	return env, overrides
}
