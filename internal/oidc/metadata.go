package oidc

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/cloakroom-bff/cloakroom/session"
)

// metadata is what is known of the provider (OpenID Connect Discovery 1.0 §3, RFC 8414).
// It is never changed, only replaced.
type metadata struct {
	Issuer                string   `json:"issuer"`
	AuthorizationEndpoint string   `json:"authorization_endpoint"`
	TokenEndpoint         string   `json:"token_endpoint"`
	JWKSURI               string   `json:"jwks_uri"`
	RevocationEndpoint    string   `json:"revocation_endpoint"`
	EndSessionEndpoint    string   `json:"end_session_endpoint"`
	UserInfoEndpoint      string   `json:"userinfo_endpoint"`
	SigningAlgs           []string `json:"id_token_signing_alg_values_supported"`
	ChallengeMethods      []string `json:"code_challenge_methods_supported"`
	IssInResponse         bool     `json:"authorization_response_iss_parameter_supported"`
	DPoPAlgs              []string `json:"dpop_signing_alg_values_supported"`
	PAREndpoint           string   `json:"pushed_authorization_request_endpoint"`
	NeedsPAR              bool     `json:"require_pushed_authorization_requests"`
	NeedsJAR              bool     `json:"require_signed_request_object"`
	RequestAlgs           []string `json:"request_object_signing_alg_values_supported"`
	AnswerAlgs            []string `json:"authorization_signing_alg_values_supported"`
	AuthAlgs              []string `json:"token_endpoint_auth_signing_alg_values_supported"`
	Aliases               aliases  `json:"mtls_endpoint_aliases"`

	plainToken string // the token endpoint that others use, whatever the alias
	profile    Profile
}

// fromConfig is what is known without asking the provider.
func fromConfig(cfg Config) *metadata {
	m := &metadata{Issuer: cfg.Issuer, plainToken: cfg.Endpoints.Token, profile: cfg.Profile}
	return m.override(cfg)
}

// override puts the configured endpoints in the place of the discovered ones.
func (m *metadata) override(cfg Config) *metadata {
	for _, e := range []struct {
		to   *string
		from string
	}{
		{&m.AuthorizationEndpoint, cfg.Endpoints.Authorization},
		{&m.TokenEndpoint, cfg.Endpoints.Token},
		{&m.JWKSURI, cfg.Endpoints.JWKS},
		{&m.RevocationEndpoint, cfg.Endpoints.Revocation},
		{&m.EndSessionEndpoint, cfg.Endpoints.EndSession},
		{&m.UserInfoEndpoint, cfg.Endpoints.UserInfo},
		{&m.PAREndpoint, cfg.Endpoints.PushedAuthorizationRequest},
	} {
		if e.from != "" {
			*e.to = e.from
		}
	}
	return m
}

// complete reports whether a login and a refresh are possible with m.
func (m *metadata) complete(cfg Config) bool {
	return m.AuthorizationEndpoint != "" && m.TokenEndpoint != "" && m.JWKSURI != "" &&
		(!cfg.UserInfo || m.UserInfoEndpoint != "")
}

// readMetadata judges a discovery document. What makes it unusable and will not mend by
// itself is a *session.RefreshError of class Operator.
func readMetadata(doc []byte, cfg Config) (*metadata, error) {
	m := &metadata{profile: cfg.Profile}
	if err := json.Unmarshal(doc, m); err != nil {
		return nil, fmt.Errorf("%w: the discovery document of %s is no valid JSON: %w", ErrNotReady, cfg.Issuer, err)
	}
	// Somebody else's metadata under our issuer's address would send codes and secrets to
	// their endpoints (mix-up, RFC 8414 §6.2). Nothing may differ, but for what the
	// configuration leaves open.
	if !cfg.AnnouncedAs(m.Issuer) {
		return nil, misconfigured("the issuer is configured as %q, but the provider calls itself %q: use its spelling if that is the right one", cfg.Announced(), short(m.Issuer))
	}
	// Plain would give the verifier away with the authorization request (RFC 7636 §7.2).
	if m.ChallengeMethods != nil && !slices.Contains(m.ChallengeMethods, "S256") {
		return nil, misconfigured("the provider does not offer PKCE with S256 (code_challenge_methods_supported): switch it on there")
	}
	if err := m.checkProofs(cfg); err != nil {
		return nil, err
	}
	m.plainToken = cmp.Or(cfg.Endpoints.Token, m.TokenEndpoint)
	if cfg.presents() {
		m.Aliases.use(m)
	}
	m = m.override(cfg)
	if err := m.checkProfile(cfg.Profile); err != nil {
		return nil, err
	}
	if !m.complete(cfg) {
		return nil, misconfigured("the discovery document of %s lacks %s: set provider.endpoints", cfg.Issuer, m.missing(cfg))
	}
	if len(m.algorithms()) == 0 {
		return nil, misconfigured("the provider signs ID tokens with none of %v (id_token_signing_alg_values_supported)", cfg.Profile.algorithms())
	}
	if err := m.endpoints().check(); err != nil {
		return nil, misconfigured("the discovery document of %s cannot be used: %w", cfg.Issuer, err)
	}
	return m, nil
}

// misconfigured is a fault in the provider's or the gateway's set-up.
func misconfigured(format string, args ...any) error {
	err := fmt.Errorf("%w: "+format, append([]any{ErrNotReady}, args...)...)
	return &session.RefreshError{Class: session.Operator, Err: err}
}

func (m *metadata) endpoints() Endpoints {
	return Endpoints{m.AuthorizationEndpoint, m.TokenEndpoint, m.JWKSURI, m.RevocationEndpoint, m.EndSessionEndpoint, m.UserInfoEndpoint, m.PAREndpoint}
}

func (m *metadata) missing(cfg Config) string {
	var names []string
	if m.AuthorizationEndpoint == "" {
		names = append(names, "authorization_endpoint")
	}
	if m.TokenEndpoint == "" {
		names = append(names, "token_endpoint")
	}
	if m.JWKSURI == "" {
		names = append(names, "jwks_uri")
	}
	if cfg.UserInfo && m.UserInfoEndpoint == "" {
		names = append(names, "userinfo_endpoint")
	}
	return strings.Join(names, ", ")
}

// algorithms are those that an ID token may be signed with: ours, and of them those that
// the provider announces, if it announces any.
func (m *metadata) algorithms() []string { return m.announced(m.SigningAlgs) }

// announced are our algorithms, and of them those that a provider announces, if it announces
// any.
func (m *metadata) announced(algs []string) []string {
	if algs == nil {
		return m.profile.algorithms()
	}
	return slices.DeleteFunc(m.profile.algorithms(), func(alg string) bool { return !slices.Contains(algs, alg) })
}
