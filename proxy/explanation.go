package proxy

import (
	"encoding/json"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

// explanation is what the gateway tells an operator about a request. Names in it are kept;
// docs/explain.md says what they mean. There is no token in it, no ticket, no cookie, and no
// claim but the subject. Times are in RFC 3339, durations in whole seconds.
type explanation struct {
	At      time.Time        `json:"at"`
	Answer  explainedAnswer  `json:"answer"`
	Request explainedRequest `json:"request"`
	Client  explainedClient  `json:"client"`
	Route   *explainedRoute  `json:"route,omitempty"`   // none: nothing was found
	CSRF    *explainedCSRF   `json:"csrf,omitempty"`    // from here on: as far as there is a route
	Session *explainedLogin  `json:"session,omitempty"` //
	Token   *explainedToken  `json:"token,omitempty"`
	Require []explainedNeed  `json:"require,omitempty"`
	// Headers are the names of those that the upstream would get.
	Headers   []string            `json:"headers,omitempty"`
	Upstreams []explainedUpstream `json:"upstreams,omitempty"`
	Provider  explainedProvider   `json:"provider"`

	session *session.Session // that the request names; nil if it names none
}

// explainedAnswer is what the request would be answered with.
type explainedAnswer struct {
	Outcome outcome `json:"outcome"`
	Status  int     `json:"status,omitempty"` // none: the upstream's
	Code    Code    `json:"code,omitempty"`
	Why     string  `json:"why,omitempty"`
}

// outcome is what becomes of a request.
type outcome string

const (
	toUpstream outcome = "forwarded"
	toFile     outcome = "file"
	toOwn      outcome = "own_endpoint" // of the gateway's
	toPass     outcome = "passes"       // the front proxy hears that it may
	toLogin    outcome = "login"        // a redirect there
	toHop      outcome = "hop"          // a page that comes back at once, with the ticket
	toNobody   outcome = "refused"
)

// explainedRequest is what the request is taken for.
type explainedRequest struct {
	Method     string `json:"method"`
	Host       string `json:"host"`
	Path       string `json:"path"`
	Class      string `json:"class"`       // navigation, page, prefetch, websocket, stream, fetch
	Metadata   bool   `json:"metadata"`    // the browser sends Sec-Fetch-*
	Activity   bool   `json:"activity"`    // it would count as its user's activity
	Asked      string `json:"asked"`       // by: browser, or the dialect of a front proxy
	Bearer     bool   `json:"bearer"`      // it has a bearer token of its own
	TargetPath string `json:"target_path"` // that the upstream gets
}

// explainedClient is who sent it, and why that is believed.
type explainedClient struct {
	Address string `json:"address"`
	Chain   string `json:"chain"`
	Proto   string `json:"proto"`
	Peer    string `json:"peer"`
	Trusted bool   `json:"peer_is_trusted_proxy"`
	Why     string `json:"why"`
}

// explainedRoute is the route that was chosen.
type explainedRoute struct {
	Path            string      `json:"path"`
	Methods         []string    `json:"methods,omitempty"`
	Access          string      `json:"access,omitempty"`
	Unauthenticated string      `json:"unauthenticated,omitempty"`
	Token           string      `json:"token,omitempty"`
	Why             string      `json:"why"`
	Candidates      []candidate `json:"candidates"` // whose path fits, the longest first
}

// candidate is a route whose path fits.
type candidate struct {
	Path    string   `json:"path"`
	Methods []string `json:"methods,omitempty"` // none: all
	Chosen  bool     `json:"chosen"`
	Why     string   `json:"why"`
}

// explainedCSRF is the verdict on who made the browser send it.
type explainedCSRF struct {
	Verdict string `json:"verdict"` // believed, refused, not_asked
	Why     string `json:"why"`

	Site         string `json:"sec_fetch_site"`
	Mode         string `json:"sec_fetch_mode"`
	Dest         string `json:"sec_fetch_dest"`
	Origin       string `json:"origin"`
	PublicOrigin string `json:"public_origin"`
	OwnHeader    bool   `json:"x_csrf"`
}

// explainedLogin is the session that the request names.
type explainedLogin struct {
	State string `json:"state"` // live, ended, none, unknown, not_asked
	Why   string `json:"why,omitempty"`

	ID            string         `json:"id,omitempty"` // the one in the logs
	Subject       string         `json:"subject,omitempty"`
	Reason        session.Reason `json:"reason,omitempty"` // of the end
	Created       *time.Time     `json:"created,omitempty"`
	LastSeen      *time.Time     `json:"last_seen,omitempty"`
	Age           *int64         `json:"age,omitempty"`
	IdleExpiresIn *int64         `json:"idle_expires_in,omitempty"`
	ExpiresIn     *int64         `json:"expires_in,omitempty"`
	Limit         string         `json:"limit,omitempty"` // that ends it if nobody uses it
}

// explainedToken is what the upstream would get in Authorization, and how it is come by.
type explainedToken struct {
	Kind     string `json:"kind"` // user, client, exchange, passthrough, bearer, credential, none
	Audience string `json:"audience,omitempty"`
	Resource string `json:"resource,omitempty"`
	Scopes   string `json:"scopes,omitempty"`

	Details json.RawMessage `json:"authorization_details,omitempty"`
	Actor   bool            `json:"actor,omitempty"`

	Decision  session.Step `json:"decision,omitempty"`
	Why       string       `json:"why,omitempty"`
	ExpiresIn *int64       `json:"expires_in,omitempty"`
	Granted   string       `json:"granted_scopes,omitempty"`
	InLine    bool         `json:"in_line,omitempty"` // the budget for the provider is spent
}

// explainedNeed is one thing that the route requires.
type explainedNeed struct {
	What string `json:"what"` // scope, claim, acr, max_age
	Name string `json:"name,omitempty"`
	Met  *bool  `json:"met"` // null: not known without a session, or before there is a token
}

// explainedUpstream is one of the servers that the request could go to.
type explainedUpstream struct {
	URL     string `json:"url"`
	LeftOut bool   `json:"left_out"`
	Sticky  bool   `json:"sticky,omitempty"` // the session's own
}

// explainedProvider is what there is to know of the provider.
type explainedProvider struct {
	Ready   bool   `json:"ready"`
	Breaker string `json:"breaker"` // closed, open
	Why     string `json:"why,omitempty"`
}
