package doctor_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/devidp"
	"github.com/cloakroom-bff/cloakroom/internal/doctor"
)

func TestASoundSetUpHasNoTroubles(t *testing.T) {
	t.Parallel()
	r := newSetup(t).examine()
	for _, l := range r.Lines {
		t.Log(text(l))
	}
	if bad := troubles(r); len(bad) > 0 || r.Verdict() != doctor.Pass || r.Count(doctor.Pass) < 25 {
		t.Errorf("%d lines pass, and these do not: %q", r.Count(doctor.Pass), bad)
	}
}

// fault is one thing that is broken, and the line that has to name it. also are checks
// that may find trouble for the same reason.
type fault struct {
	name    string
	broken  func(*setup)
	check   string
	verdict doctor.Verdict
	found   string // in the line
	remedy  string
	also    []string
}

// Each fault is named by its own line, with what to do; nothing else is found wrong.
func TestEachFaultIsNamed(t *testing.T) {
	t.Parallel()
	for _, rows := range [][]fault{providerFaults(), clientFaults(), logoutFaults(), nearFaults()} {
		for _, f := range rows {
			t.Run(f.name, func(t *testing.T) {
				t.Parallel()
				s := newSetup(t)
				f.broken(s)
				f.hold(t, s.examine())
			})
		}
	}
}

func (f *fault) hold(t *testing.T, r doctor.Report) {
	t.Helper()
	named := false
	for _, l := range troubles(r) {
		t.Log(text(l))
		if l.Check == f.check && l.Verdict == f.verdict && strings.Contains(l.Found, f.found) && strings.Contains(l.Remedy, f.remedy) {
			named = true
			continue
		}
		if l.Check != f.check && !strings.Contains(" "+strings.Join(f.also, " ")+" ", " "+l.Check+" ") {
			t.Errorf("found wrong, too: %s", text(l))
		}
		if l.Verdict == doctor.Fail && l.Remedy == "" {
			t.Errorf("no remedy: %s", text(l))
		}
	}
	if !named {
		t.Errorf("nothing says %s %s “%s” → “%s”", f.verdict, f.check, f.found, f.remedy)
	}
}

// providerFaults are those of the provider's documents, keys and clock.
func providerFaults() []fault {
	const discovery = "provider.discovery"
	return []fault{
		{name: "nobody listens", broken: func(s *setup) { s.issuer = "http://" + nobody(s.t) }, check: discovery, verdict: doctor.Fail, found: "nobody listens at 127.0.0.1", remedy: "host and port"},
		{name: "discovery hangs", broken: func(s *setup) {
			s.provider = []string{"timeout: 200ms"}
			s.turn(func(k *devidp.Knobs) {
				k.Timing = devidp.Timing{Mode: devidp.Hang, At: []devidp.Endpoint{devidp.DiscoveryEndpoint}}
			})
		}, check: discovery, verdict: doctor.Fail, found: "no answer within 200ms, waiting for the answer", remedy: "says nothing"},
		{name: "discovery is a web page", broken: func(s *setup) {
			s.answer(devidp.DiscoveryEndpoint, devidp.CannedAnswer{Status: http.StatusOK, Body: "<html>Welcome", Headers: map[string]string{"Content-Type": "text/html"}})
		}, check: discovery, verdict: doctor.Fail, found: "is a web page", remedy: "provider.issuer"},
		{name: "discovery is broken JSON", broken: func(s *setup) {
			s.answer(devidp.DiscoveryEndpoint, devidp.CannedAnswer{Status: http.StatusOK, Body: `{"issuer":`})
		}, check: discovery, verdict: doctor.Fail, found: "no valid JSON", remedy: "provider.issuer"},
		{name: "a wrong path", broken: func(s *setup) { s.issuer += "/realms/nobody" }, check: discovery, verdict: doctor.Fail, found: "there is no discovery document", remedy: "realm or tenant"},
		{name: "the provider is down", broken: func(s *setup) { s.turn(func(k *devidp.Knobs) { k.Down = true }) }, check: discovery, verdict: doctor.Fail, found: "status 503", remedy: "provider's own state"},
		{name: "only the configured endpoints are left", broken: func(s *setup) {
			s.provider = append(s.provider, "endpoints: {authorization: "+s.idp.URL+"/authorize, token: "+s.idp.URL+"/token, jwks: "+s.idp.URL+"/jwks, revocation: "+s.idp.URL+"/revoke, end_session: "+s.idp.URL+"/end_session}")
			s.turn(func(k *devidp.Knobs) { k.DiscoveryDown = true })
		}, check: discovery, verdict: doctor.Warn, found: "only the endpoints of the configuration", remedy: "provider's own state"},
		{name: "an issuer with a slash", broken: func(s *setup) { s.issuer += "/" }, check: "provider.issuer", verdict: doctor.Fail, found: "slash at the end", remedy: "write provider.issuer: http://"},
		{name: "another issuer", broken: func(s *setup) {
			s.turn(func(k *devidp.Knobs) { k.DiscoveryIssuer = "https://id.example.com" })
		}, check: "provider.issuer", verdict: doctor.Fail, found: "https://id.example.com", remedy: "provider.discovery_url"},
		{name: "an issuer of many tenants", broken: func(s *setup) {
			s.turn(func(k *devidp.Knobs) { k.DiscoveryIssuer = "https://login.example.com/{tenantid}/v2.0" })
		}, check: "provider.issuer", verdict: doctor.Fail, found: "all tenants", remedy: "allowed_tenants"},
		{name: "a clock that is ahead", broken: func(s *setup) { s.turn(func(k *devidp.Knobs) { k.ClockOffset = 90 * time.Second }) }, check: "provider.clock", verdict: doctor.Fail, found: "ahead of", remedy: "NTP"},
		{name: "a clock that is behind", broken: func(s *setup) { s.turn(func(k *devidp.Knobs) { k.ClockOffset = -30 * time.Second }) }, check: "provider.clock", verdict: doctor.Warn, found: "30s behind", remedy: "NTP"},
		{name: "a token endpoint without TLS", broken: func(s *setup) {
			s.announce(map[string]any{"token_endpoint": "http://id.example.com/token"})
		}, check: "provider.endpoints", verdict: doctor.Fail, found: "the token endpoint is not https", remedy: "provider.endpoints.token"},
		{name: "a token endpoint that is no address", broken: func(s *setup) { s.announce(map[string]any{"token_endpoint": "/token"}) }, check: "provider.endpoints", verdict: doctor.Fail, found: "is no address: “/token”", remedy: "provider.endpoints.token"},
		{name: "no token endpoint", broken: func(s *setup) { s.announce(map[string]any{"token_endpoint": nil}) }, check: "provider.endpoints", verdict: doctor.Fail, found: "names no token endpoint", remedy: "provider.endpoints.token"},
		{name: "no userinfo endpoint", broken: func(s *setup) {
			s.provider = append(s.provider, "userinfo: true")
			s.turn(func(k *devidp.Knobs) { k.DiscoveryWithoutUserInfo = true })
		}, check: "provider.endpoints", verdict: doctor.Fail, found: "names no userinfo endpoint", remedy: "provider.endpoints.userinfo"},
		{name: "no keys", broken: func(s *setup) {
			s.answer(devidp.JWKSEndpoint, devidp.CannedAnswer{Status: http.StatusOK, Body: `{"keys":[]}`})
		}, check: "provider.jwks", verdict: doctor.Fail, found: "no key that can verify", remedy: "RSA, EC or Ed25519"},
		{name: "keys that cannot be had", broken: func(s *setup) { s.turn(func(k *devidp.Knobs) { k.JWKSDown = true }) }, check: "provider.jwks", verdict: doctor.Fail, found: "status 503", remedy: "endpoints.jwks"},
		{name: "keys behind a closed port", broken: func(s *setup) { s.announce(map[string]any{"jwks_uri": "http://" + nobody(s.t) + "/jwks"}) }, check: "provider.jwks", verdict: doctor.Fail, found: "nobody listens", remedy: "host and port"},
		{name: "signatures that everybody can make", broken: func(s *setup) {
			s.announce(map[string]any{"id_token_signing_alg_values_supported": []string{"HS256", "none"}})
		}, check: "provider.jwks", verdict: doctor.Fail, found: "HS256, none", remedy: "RS256 or ES256"},
		{name: "PKCE is not announced", broken: func(s *setup) { s.turn(func(k *devidp.Knobs) { k.DiscoveryWithoutPKCE = true }) }, check: "provider.pkce", verdict: doctor.Warn, found: "does not announce PKCE", remedy: "code_verifier"},
		{name: "PKCE is plain", broken: func(s *setup) { s.turn(func(k *devidp.Knobs) { k.DiscoveryPlainPKCE = true }) }, check: "provider.pkce", verdict: doctor.Fail, found: "without S256", remedy: "switch S256 on"},
		{name: "no codes", broken: func(s *setup) { s.announce(map[string]any{"response_types_supported": []string{"id_token"}}) }, check: "provider.response_type", verdict: doctor.Fail, found: "and not code", remedy: "authorization-code flow"},
		{name: "pushed requests only, and nowhere to push", broken: func(s *setup) { s.announce(map[string]any{"require_pushed_authorization_requests": true}) }, check: "provider.par", verdict: doctor.Fail, found: "RFC 9126", remedy: "switch"},
		{name: "pushed requests only, and none is pushed", broken: func(s *setup) {
			s.provider = append(s.provider, "par: never")
			s.turn(func(k *devidp.Knobs) { k.Push = devidp.Demanded })
		}, check: "provider.par", verdict: doctor.Fail, found: "provider.par is never", remedy: "take provider.par out", also: []string{"provider.authorization"}},
		{name: "a pushed request with scopes that are refused", broken: func(s *setup) {
			s.turn(func(k *devidp.Knobs) { k.Push, k.Scopes = devidp.Demanded, []string{"openid"} })
		}, check: "provider.scopes", verdict: doctor.Fail, found: "refuses these scopes", remedy: "provider.scopes"},
		{name: "a pushed request with another redirect URI", broken: func(s *setup) {
			s.public = "http://localhost:1"
			s.turn(func(k *devidp.Knobs) { k.Push = devidp.Demanded })
		}, check: "provider.redirect_uri", verdict: doctor.Fail, found: "This redirect_uri is not registered", remedy: "register exactly http://localhost:1/bff/callback", also: []string{"provider.post_logout_url"}},
		{name: "a pushed request for an API that nobody knows", broken: func(s *setup) {
			s.provider = append(s.provider, "resource: [urn:x]")
			s.turn(func(k *devidp.Knobs) { k.Push, k.Audiences = devidp.Demanded, []string{"urn:y"} })
		}, check: "provider.authorization", verdict: doctor.Fail, found: "invalid_target", remedy: "provider.resource"},
		{name: "a pushed request of a client that nobody knows", broken: func(s *setup) {
			s.secret = "yesterday's secret"
			s.turn(func(k *devidp.Knobs) { k.Push = devidp.Demanded })
		}, check: "provider.client_secret", verdict: doctor.Fail, found: "invalid_client", remedy: "client_secret"},
		{name: "details that nobody announces", broken: func(s *setup) {
			s.routes = append(s.routes, "- {path: /bank/, upstream: '"+s.upstream.URL+"', authorization_details: [{type: account}, {type: payment}]}")
			s.turn(func(k *devidp.Knobs) { k.DetailTypes = []string{"account"} })
		}, check: "routes[2].authorization_details", verdict: doctor.Warn, found: "payment", remedy: "(“account”)", also: []string{"provider.authorization"}},
		{name: "a pushed request that is refused", broken: func(s *setup) {
			s.turn(func(k *devidp.Knobs) { k.Push = devidp.Offered })
			s.answer(devidp.PushEndpoint, devidp.CannedAnswer{Status: http.StatusBadRequest, Body: `{"error":"invalid_request"}`})
		}, check: "provider.par", verdict: doctor.Fail, found: "invalid_request", remedy: "parameters"},
	}
}

// clientFaults are those of what the provider knows of the client.
func clientFaults() []fault {
	return []fault{
		{name: "another redirect URI", broken: func(s *setup) { s.public = "http://localhost:1" }, check: "provider.redirect_uri", verdict: doctor.Fail, found: "This redirect_uri is not registered", remedy: "register exactly http://localhost:1/bff/callback", also: []string{"provider.post_logout_url"}},
		{name: "another client", broken: func(s *setup) { s.client = "somebody-else" }, check: "provider.client_secret", verdict: doctor.Fail, found: "refuses client somebody-else", remedy: "client_id", also: []string{"provider.redirect_uri", "provider.post_logout_url"}},
		{name: "a provider that shows its page whatever is asked", broken: func(s *setup) {
			s.answer(devidp.AuthorizeEndpoint, devidp.CannedAnswer{Status: http.StatusOK, Body: "<title>x</title><p>AADSTS50011: mismatch", Headers: map[string]string{"Content-Type": "text/html"}})
		}, check: "provider.redirect_uri", verdict: doctor.Warn, found: "AADSTS50011", remedy: "register exactly"},
		{name: "a wrong secret", broken: func(s *setup) { s.secret = "yesterday's secret" }, check: "provider.client_secret", verdict: doctor.Fail, found: "refuses client app: invalid_client", remedy: "client_secret"},
		{name: "a method that the provider does not take", broken: func(s *setup) {
			s.provider = append(s.provider, "client_auth: client_secret_post")
			s.turn(func(k *devidp.Knobs) { k.TokenAuth = devidp.BasicAuth })
		}, check: "provider.client_auth", verdict: doctor.Fail, found: "announces “client_secret_basic”", remedy: "write provider.client_auth: client_secret_basic", also: []string{"provider.client_secret"}},
		{name: "a token endpoint that fails", broken: func(s *setup) { s.turn(func(k *devidp.Knobs) { k.Flap = 9 }) }, check: "provider.client_secret", verdict: doctor.Warn, found: "could not be asked: temporarily_unavailable", remedy: "later", also: []string{"provider.refresh_token"}},
		{name: "a client that has no codes", broken: func(s *setup) {
			s.turn(func(k *devidp.Knobs) { k.AuthorizeError = "unauthorized_client" })
		}, check: "provider.authorization", verdict: doctor.Fail, found: "unauthorized_client", remedy: "allow that flow"},
		{name: "a parameter that is refused", broken: func(s *setup) {
			s.turn(func(k *devidp.Knobs) { k.AuthorizeError = "invalid_request" })
		}, check: "provider.authorization", verdict: doctor.Fail, found: "invalid_request, “turned on by a knob”", remedy: "authorize_params"},
		{name: "an authorization endpoint that hangs", broken: func(s *setup) {
			s.provider = []string{"timeout: 200ms"}
			s.turn(func(k *devidp.Knobs) {
				k.Timing = devidp.Timing{Mode: devidp.Hang, At: []devidp.Endpoint{devidp.AuthorizeEndpoint}}
			})
		}, check: "provider.authorization", verdict: doctor.Fail, found: "no answer within 200ms", remedy: "says nothing"},
		{name: "an authorization endpoint that fails", broken: func(s *setup) {
			s.answer(devidp.AuthorizeEndpoint, devidp.CannedAnswer{Status: http.StatusBadGateway})
		}, check: "provider.authorization", verdict: doctor.Warn, found: "status 502", remedy: "later"},
		{name: "an authorization endpoint that says it fails", broken: func(s *setup) {
			s.turn(func(k *devidp.Knobs) { k.AuthorizeError = "temporarily_unavailable" })
		}, check: "provider.authorization", verdict: doctor.Warn, found: "temporarily_unavailable", remedy: "later"},
		{name: "a client that may not use codes", broken: func(s *setup) {
			s.answer(devidp.TokenEndpoint, devidp.CannedAnswer{Status: http.StatusBadRequest, Body: `{"error":"unauthorized_client"}`})
		}, check: "provider.client_secret", verdict: doctor.Fail, found: "authorization-code grant", remedy: "allow that grant"},
		{name: "a client that must prove its key", broken: func(s *setup) {
			s.answer(devidp.TokenEndpoint, devidp.CannedAnswer{Status: http.StatusBadRequest, Body: `{"error":"invalid_dpop_proof"}`})
		}, check: "provider.dpop", verdict: doctor.Fail, found: "demands DPoP", remedy: "sender_constrained: dpop"},
		{name: "proofs that are not taken", broken: func(s *setup) {
			s.provider = []string{"sender_constrained: dpop"}
			refusal := devidp.CannedAnswer{Status: http.StatusBadRequest, Body: `{"error":"invalid_dpop_proof"}`}
			s.answer(devidp.TokenEndpoint, refusal)
			s.answer(devidp.TokenEndpoint, refusal)
		}, check: "provider.dpop", verdict: doctor.Fail, found: "none of the gateway's proofs", remedy: "clocks"},
		{name: "an answer that says nothing of the client", broken: func(s *setup) {
			s.answer(devidp.TokenEndpoint, devidp.CannedAnswer{Status: http.StatusOK, Body: `{"access_token":"x","token_type":"Bearer"}`})
		}, check: "provider.client_secret", verdict: doctor.Warn, found: "says nothing of the client", remedy: "log"},
		{name: "an unknown API", broken: func(s *setup) {
			s.provider = append(s.provider, "audience: https://api.example.com")
			s.turn(func(k *devidp.Knobs) { k.Audiences = []string{"https://other.example.com"} })
		}, check: "provider.authorization", verdict: doctor.Fail, found: "invalid_target", remedy: "provider.audience"},
		{name: "an unknown scope", broken: func(s *setup) {
			s.provider = append(s.provider, "scopes: [openid, offline_access, orders]")
			s.turn(func(k *devidp.Knobs) { k.Scopes = []string{"openid", "offline_access"} })
		}, check: "provider.scopes", verdict: doctor.Fail, found: "does not announce orders", remedy: "take orders out"},
		{name: "a scope that is not announced", broken: func(s *setup) { s.provider = append(s.provider, "scopes: [openid, offline_access, orders]") }, check: "provider.scopes", verdict: doctor.Warn, found: "orders", remedy: "provider.scopes"},
		{name: "an answer without its issuer", broken: func(s *setup) { s.turn(func(k *devidp.Knobs) { k.IssInCallback = devidp.IssMissing }) }, check: "provider.iss", verdict: doctor.Fail, found: "no iss", remedy: "RFC 9207"},
		{name: "an answer of another issuer", broken: func(s *setup) { s.turn(func(k *devidp.Knobs) { k.IssInCallback = devidp.IssWrong }) }, check: "provider.iss", verdict: doctor.Fail, found: "evil.example", remedy: "RFC 9207"},
		{name: "a client that may not refresh", broken: func(s *setup) {
			s.turn(func(k *devidp.Knobs) {
				k.RefreshRefusals = map[devidp.Death]devidp.Refusal{devidp.UnknownToken: {Status: http.StatusBadRequest, Code: "unauthorized_client", Description: "not for this client"}}
			})
		}, check: "provider.refresh_token", verdict: doctor.Fail, found: "not for this client", remedy: "allow the refresh-token grant"},
		{name: "a dead token that is a malformed request", broken: func(s *setup) {
			s.turn(func(k *devidp.Knobs) {
				k.RefreshRefusals = map[devidp.Death]devidp.Refusal{devidp.UnknownToken: {Status: http.StatusBadRequest, Code: "invalid_request", Description: "Refresh token is invalid"}}
			})
		}, check: "provider.refresh_token", verdict: doctor.Fail, found: "Refresh token is invalid", remedy: "preset"},
		{name: "refreshing is not announced", broken: func(s *setup) {
			s.announce(map[string]any{"grant_types_supported": []string{"authorization_code"}})
		}, check: "provider.refresh_token", verdict: doctor.Warn, found: "grant_types_supported", remedy: "allow it there"},
		{name: "no refresh token is asked for", broken: func(s *setup) { s.provider = append(s.provider, "scopes: [openid]") }, check: "provider.refresh_token", verdict: doctor.Warn, found: "no login asks", remedy: "offline_access"},
		{name: "a refresh token that may be presented twice, and must not", broken: func(s *setup) { s.session = append(s.session, "refresh: {unknown_outcome: retry}") }, check: "provider.rotation", verdict: doctor.Warn, found: "presented again", remedy: "leave unknown_outcome out"},
	}
}

// logoutFaults are those of the ways out.
func logoutFaults() []fault {
	return []fault{
		{name: "no revocation endpoint", broken: func(s *setup) { s.turn(func(k *devidp.Knobs) { k.DiscoveryWithoutRevocation = true }) }, check: "provider.revocation", verdict: doctor.Warn, found: "no revocation endpoint", remedy: "revoke_on_logout: false"},
		{name: "no end-session endpoint", broken: func(s *setup) { s.turn(func(k *devidp.Knobs) { k.DiscoveryWithoutEndSession = true }) }, check: "provider.logout", verdict: doctor.Warn, found: "no end_session_endpoint", remedy: "logout: local"},
		{name: "a strategy without an endpoint", broken: func(s *setup) {
			s.provider = append(s.provider, "logout: oidc")
			s.turn(func(k *devidp.Knobs) { k.DiscoveryWithoutEndSession = true })
		}, check: "provider.logout", verdict: doctor.Fail, found: "logout is oidc", remedy: "endpoints.end_session"},
	}
}

// nearFaults are those of this machine.
func nearFaults() []fault {
	return []fault{
		{name: "the upstream is down", broken: func(s *setup) { s.upstream.Close() }, check: "routes[0].upstream", verdict: doctor.Fail, found: "is away: nobody listens", remedy: "start it"},
		{name: "the upstream is ill", broken: func(s *setup) {
			s.upstream.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
		}, check: "routes[0].upstream", verdict: doctor.Warn, found: "status 502", remedy: "log"},
		{name: "the upstream has a certificate of its own", broken: func(s *setup) {
			s.upstream = httptest.NewTLSServer(http.NotFoundHandler())
			s.t.Cleanup(s.upstream.Close)
		}, check: "routes[0].upstream", verdict: doctor.Fail, found: "does not trust", remedy: "routes[0].upstream_tls.ca_file"},
		{name: "the upstream speaks no TLS", broken: func(s *setup) {
			s.upstream.URL = strings.Replace(s.upstream.URL, "http:", "https:", 1)
		}, check: "routes[0].upstream", verdict: doctor.Fail, found: "speaks no TLS", remedy: "http://"},
		{name: "one of two upstreams is down", broken: func(s *setup) {
			s.routes = append(s.routes, "- {path: /two/, upstream: ['"+s.upstream.URL+"', 'http://"+nobody(s.t)+"']}")
		}, check: "routes[2].upstream", verdict: doctor.Warn, found: "is away: nobody listens", remedy: "start it"},
		{name: "an upstream that says it is ill", broken: func(s *setup) {
			s.routes = append(s.routes, "- {path: /two/, upstream: ['"+s.upstream.URL+"', '"+strings.Replace(s.upstream.URL, "127.0.0.1", "localhost", 1)+"'], balance: {health_path: /healthz}}")
		}, check: "routes[2].upstream", verdict: doctor.Warn, found: "answers /healthz with status 404", remedy: "balance.health_path"},
		{name: "no application", broken: func(s *setup) { s.remove("dist") }, check: "routes[1].files", verdict: doctor.Fail, found: "cannot be read", remedy: "build the application"},
		{name: "an application without its page", broken: func(s *setup) { s.remove("dist/index.html") }, check: "routes[1].files", verdict: doctor.Warn, found: "no index.html", remedy: "build the application"},
		{name: "a grant that is not announced", broken: func(s *setup) {
			s.routes = append(s.routes, "- {path: /jobs/, upstream: '"+s.upstream.URL+"', access: public, token: client}")
			s.announce(map[string]any{"grant_types_supported": []string{"authorization_code", "refresh_token"}})
		}, check: "routes[2].token", verdict: doctor.Warn, found: "needs the grant client_credentials", remedy: "allow it"},
		{name: "a step-up to what nobody knows", broken: func(s *setup) {
			s.routes = append(s.routes, "- {path: /vault/, upstream: '"+s.upstream.URL+"', require: {acr: phr phrh}}")
			s.announce(map[string]any{"acr_values_supported": []string{"pwd", "phr"}})
		}, check: "routes[2].require", verdict: doctor.Warn, found: "context phrh", remedy: "pwd, phr"},
		{name: "a cookie that never comes", broken: func(s *setup) {
			s.routes = append(s.routes, "- {path: /orders/, host: api.example.com, upstream: "+s.upstream.URL+"}")
		}, check: "session.cookie", verdict: doctor.Fail, found: "nobody is ever signed in there", remedy: "below public_url"},
		{name: "a proxy that is not trusted", broken: func(s *setup) {
			s.public = strings.Replace(s.public, "http:", "https:", 1)
		}, check: "trusted_proxies", verdict: doctor.Warn, found: "a proxy stands in front", remedy: "network", also: []string{"provider.redirect_uri", "provider.post_logout_url"}},
		{name: "a port that is taken", broken: func(s *setup) { s.listen = s.upstream.Listener.Addr().String() }, check: "listen", verdict: doctor.Fail, found: "another program listens", remedy: "another port"},
		{name: "an address of another machine", broken: func(s *setup) { s.listen = "192.0.2.1:8080" }, check: "listen", verdict: doctor.Fail, found: "no address of this machine", remedy: "leave the host out"},
		{name: "somebody else at public_url", broken: func(s *setup) {
			taken := httptest.NewServer(http.NotFoundHandler())
			s.t.Cleanup(taken.Close)
			s.public = taken.URL
		}, check: "public_url", verdict: doctor.Warn, found: "somebody else", remedy: "pass /bff on", also: []string{"provider.redirect_uri", "provider.post_logout_url"}},
		{name: "a key that everybody can read", broken: func(s *setup) { s.chmod("session.key", 0o644) }, check: "files", verdict: doctor.Warn, found: "may read", remedy: "chmod 600"},
		{name: "a key that everybody can write", broken: func(s *setup) { s.chmod("session.key", 0o666) }, check: "files", verdict: doctor.Fail, found: "may write", remedy: "chmod 600"},
		{name: "a key of long ago", broken: func(s *setup) {
			then := time.Now().AddDate(-2, 0, 0)
			if err := os.Chtimes(s.path("session.key"), then, then); err != nil {
				s.t.Fatal(err)
			}
		}, check: "session.keys", verdict: doctor.Warn, found: "was written on", remedy: "keys new"},
		{name: "a key that is no secret", broken: func(s *setup) {
			s.write("session.key", "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=")
		}, check: "config", verdict: doctor.Warn, found: "does not look random"},
		{name: "no directory for the store", broken: func(s *setup) { s.store = "bolt:./data/cloakroom.db" }, check: "session.store", verdict: doctor.Fail, found: "does not exist: make it", remedy: "does not start"},
		{name: "a store that is none", broken: func(s *setup) { s.write("cloakroom.db", strings.Repeat("x", 100_000)) }, check: "session.store", verdict: doctor.Fail, found: "no bbolt database", remedy: "does not start"},
		{name: "Redis is down", broken: func(s *setup) { s.store = "redis://:hunter2@" + nobody(s.t) }, check: "session.store", verdict: doctor.Fail, found: "connection refused", remedy: "start it"},
	}
}

func (s *setup) remove(name string) {
	s.t.Helper()
	if err := os.RemoveAll(s.path(name)); err != nil {
		s.t.Fatal(err)
	}
}

func (s *setup) chmod(name string, mode os.FileMode) {
	s.t.Helper()
	if err := os.Chmod(s.path(name), mode); err != nil {
		s.t.Fatal(err)
	}
}
