package doctor

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// metadata is what a discovery document says (OpenID Connect Discovery 1.0 §3, RFC 8414,
// RFC 8705 §3.3, RFC 9126 §5, RFC 9207 §3, RFC 9396 §10, RFC 9449 §5.1 and the logout
// specifications).
type metadata struct {
	Issuer                string   `json:"issuer"`
	AuthorizationEndpoint string   `json:"authorization_endpoint"`
	TokenEndpoint         string   `json:"token_endpoint"`
	JWKSURI               string   `json:"jwks_uri"`
	RevocationEndpoint    string   `json:"revocation_endpoint"`
	EndSessionEndpoint    string   `json:"end_session_endpoint"`
	UserInfoEndpoint      string   `json:"userinfo_endpoint"`
	ResponseTypes         []string `json:"response_types_supported"`
	GrantTypes            []string `json:"grant_types_supported"`
	Scopes                []string `json:"scopes_supported"`
	AuthMethods           []string `json:"token_endpoint_auth_methods_supported"`
	ChallengeMethods      []string `json:"code_challenge_methods_supported"`
	SigningAlgs           []string `json:"id_token_signing_alg_values_supported"`
	AuthAlgs              []string `json:"token_endpoint_auth_signing_alg_values_supported"`
	DPoPAlgs              []string `json:"dpop_signing_alg_values_supported"`
	BindsTokens           bool     `json:"tls_client_certificate_bound_access_tokens"`
	ACRValues             []string `json:"acr_values_supported"`
	PAREndpoint           string   `json:"pushed_authorization_request_endpoint"`
	DetailTypes           []string `json:"authorization_details_types_supported"`
	NeedsPAR              bool     `json:"require_pushed_authorization_requests"`
	IssInResponse         bool     `json:"authorization_response_iss_parameter_supported"`
	Backchannel           bool     `json:"backchannel_logout_supported"`
	BackchannelSession    bool     `json:"backchannel_logout_session_supported"`
	Frontchannel          bool     `json:"frontchannel_logout_supported"`

	told bool // there was a document
}

// provider examines everything that has to do with the provider, from its documents to
// what it says to the gateway's own client.
func (e *exam) provider(ctx context.Context, c *chart) {
	if e.ProviderProblem != nil {
		c.fail("provider", e.ProviderProblem.Error(), "mend that file; nothing else of the provider was examined")
		return
	}
	m := e.discover(ctx, c)
	if m == nil {
		return
	}
	e.endpoints(c, m)
	e.signingKeys(ctx, c, m)
	if m.told {
		e.protocol(c, m)
	}
	e.probe(ctx, c, m)
	e.logout(ctx, c, m)
	e.habits(c)
}

// discover reads the discovery document and puts the configured endpoints in the place of
// its own. It returns nil if the gateway would have nothing to work with.
func (e *exam) discover(ctx context.Context, c *chart) *metadata {
	const check = "provider.discovery"
	address := e.Provider.DiscoveryAddress()
	m := new(metadata)
	found, remedy := "", ""
	a, err := e.web.get(ctx, address)
	switch {
	case err != nil:
		found, remedy = explain(err, "provider.ca_file")
	case a.status == http.StatusNotFound:
		found, remedy = "there is no discovery document at "+address, "correct provider.issuer: it may lack a part of its path, such as the realm or tenant"
	case a.status != http.StatusOK:
		found, remedy = fmt.Sprintf("%s answers with status %d", address, a.status), "look at the provider's own state, and at what stands between here and there"
	case a.isHTML():
		found, remedy = address+" is a web page and no JSON", "correct provider.issuer, and see that no sign-in page or proxy stands in between"
	default:
		if err := json.Unmarshal(a.body, m); err != nil {
			found, remedy = address+" is no valid JSON: "+quote(err.Error()), "correct provider.issuer, or look at the provider"
		}
	}
	if found == "" {
		m.told = true
		c.pass(check, fmt.Sprintf("%s answered in %s", address, a.took.Round(time.Millisecond)))
		e.issuer(c, m)
		e.clock(c, a)
		return m.override(e)
	}
	if m = new(metadata).override(e); m.AuthorizationEndpoint != "" && m.TokenEndpoint != "" && m.JWKSURI != "" {
		c.warn(check, found+"; only the endpoints of the configuration are used", remedy)
		return m
	}
	c.fail(check, found, remedy+"; nothing else of the provider was examined")
	return nil
}

// explain is what to say of an error of the browser.
func explain(err error, roots string) (found, remedy string) {
	if u, ok := err.(*unreached); ok { //nolint:errorlint // it is the browser's own, and never wrapped
		return u.explain(roots)
	}
	return quote(err.Error()), "look at the address"
}

func (m *metadata) override(e *exam) *metadata {
	for _, o := range []struct {
		to   *string
		from string
	}{
		{&m.AuthorizationEndpoint, e.Provider.Endpoints.Authorization},
		{&m.TokenEndpoint, e.Provider.Endpoints.Token},
		{&m.JWKSURI, e.Provider.Endpoints.JWKS},
		{&m.RevocationEndpoint, e.Provider.Endpoints.Revocation},
		{&m.EndSessionEndpoint, e.Provider.Endpoints.EndSession},
		{&m.UserInfoEndpoint, e.Provider.Endpoints.UserInfo},
		{&m.PAREndpoint, e.Provider.Endpoints.PushedAuthorizationRequest},
	} {
		if o.from != "" {
			*o.to = o.from
		}
	}
	return m
}

// issuer compares what the provider calls itself with what the configuration calls it.
func (e *exam) issuer(c *chart, m *metadata) {
	const check = "provider.issuer"
	wanted := e.Provider.Announced()
	switch {
	case e.Provider.AnnouncedAs(m.Issuer) && m.Issuer == wanted:
		c.pass(check, "the provider calls itself "+m.Issuer+", as configured")
	case e.Provider.AnnouncedAs(m.Issuer):
		c.pass(check, fmt.Sprintf("the provider calls itself %s, which the preset takes for %s", m.Issuer, wanted))
	case m.Issuer == "":
		c.fail(check, "the discovery document names no issuer", "see that it is an OpenID provider's, and not an API's")
	case strings.TrimSuffix(m.Issuer, "/") == strings.TrimSuffix(wanted, "/"):
		c.fail(check, fmt.Sprintf("the configuration has %s and the provider calls itself %s: a slash at the end makes another issuer", wanted, m.Issuer),
			"write provider.issuer: "+m.Issuer)
	case strings.Contains(m.Issuer, "{tenantid}"):
		c.fail(check, "this is the issuer of all tenants: "+m.Issuer, "write your tenant's id into provider.issuer, or the ids that may sign in into provider.allowed_tenants")
	default:
		c.fail(check, fmt.Sprintf("the configuration has %s, and the provider there calls itself %s", wanted, quote(m.Issuer)),
			"if that is your provider's name, write it into provider.issuer (and the address, if it differs, into provider.discovery_url); else correct the address")
	}
}

// clock compares the provider's clock, by the Date of its answer, with this machine's. A
// cache in between tells by Age how old its answer is.
func (e *exam) clock(c *chart, a *answer) {
	const check = "provider.clock"
	date, err := http.ParseTime(a.header.Get("Date"))
	if err != nil {
		c.warn(check, "the provider's answers have no Date, so that the clocks cannot be compared", "see that this machine keeps its clock by NTP")
		return
	}
	if age, err := strconv.Atoi(a.header.Get("Age")); err == nil && age > 0 {
		date = date.Add(time.Duration(age) * time.Second)
	}
	// Date has whole seconds, so that half of one is the best guess.
	here := e.now().Add(-a.took / 2)
	ahead := date.Add(time.Second / 2).Sub(here).Round(time.Second)
	allowed := e.cfg.Provider.ClockSkew
	const quiet = 5 * time.Second
	found := fmt.Sprintf("the provider's clock is %s %s this machine's", ahead.Abs(), map[bool]string{true: "ahead of", false: "behind"}[ahead > 0])
	const remedy = "set this machine's clock by NTP; if it is right, the provider's has to be set"
	switch {
	case ahead.Abs() > allowed:
		c.fail(check, fmt.Sprintf("%s; beyond provider.clock_skew, %s, every login fails", found, allowed), remedy)
	case ahead.Abs() > quiet:
		c.warn(check, found, remedy)
	default:
		c.pass(check, "the clocks agree to within a few seconds")
	}
}

// endpoints looks at the addresses that credentials travel to.
func (e *exam) endpoints(c *chart, m *metadata) {
	const check = "provider.endpoints"
	sound := true
	for _, end := range []struct {
		name, address string
		needed        bool
	}{
		{"authorization", m.AuthorizationEndpoint, true},
		{"token", m.TokenEndpoint, true},
		{"jwks", m.JWKSURI, true},
		{"revocation", m.RevocationEndpoint, false},
		{"end_session", m.EndSessionEndpoint, false},
		{"userinfo", m.UserInfoEndpoint, e.cfg.Provider.UserInfo},
	} {
		u, err := url.Parse(end.address)
		switch {
		case end.address == "" && !end.needed:
			continue
		case end.address == "":
			c.fail(check, "the provider names no "+end.name+" endpoint", "write provider.endpoints."+end.name)
		case err != nil || u.Host == "":
			c.fail(check, fmt.Sprintf("the %s endpoint is no address: %s", end.name, quote(end.address)), "mend the provider's set-up, or write provider.endpoints."+end.name)
		case u.Scheme != "https" && !loopback(u.Hostname()):
			c.fail(check, fmt.Sprintf("the %s endpoint is not https: %s", end.name, quote(end.address)),
				"tell the provider that it is reached by https (behind a proxy it may not know), or write provider.endpoints."+end.name)
		default:
			continue
		}
		sound = false
	}
	if sound {
		c.pass(check, "authorization, token and keys are named, and safe to talk to")
	}
}

// loopback reports whether a host is this machine.
func loopback(host string) bool {
	host = strings.ToLower(host)
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	address, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && address.Unmap().IsLoopback()
}

// lacks reports whether a list is there and does not hold a word. A list that is not there
// says nothing.
func lacks(list []string, word string) bool { return list != nil && !slices.Contains(list, word) }
