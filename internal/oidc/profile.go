package oidc

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"slices"
)

// Profile is a set of rules beyond those that every provider meets.
type Profile string

// The profiles.
const (
	// NoProfile takes what the provider and the configuration agree on.
	NoProfile Profile = ""

	// FAPI2 is the client's side of the FAPI 2.0 Security Profile. Who uses it says so in full:
	// a [Config] that leaves something weaker in place makes no [Client]. Beyond the
	// configuration, each authorization response has to name its issuer, signatures are by
	// PS256, ES256 or EdDSA in both directions, and TLS 1.2 is spoken with the cipher suites of
	// RFC 9325 §4.2 only.
	FAPI2 Profile = "fapi2"
)

// ProfileAlgorithms are the algorithms of FAPI 2.0 (§5.4.1): RS256 pads in a way that has been
// broken by side channels again and again.
func ProfileAlgorithms() []string { return []string{"PS256", "ES256", "EdDSA"} }

// check finds what the profile does not let stand.
func (p Profile) check(c *Config) error {
	const sentence = "oidc: FAPI 2.0 "
	switch p {
	case NoProfile:
		return nil
	case FAPI2:
	default:
		return fmt.Errorf("oidc: Profile %q is not known", string(p))
	}
	switch {
	case !slices.Contains([]AuthMethod{PrivateKeyJWT, MutualTLS, SelfSignedTLS}, c.ClientAuth):
		return fmt.Errorf(sentence+"has clients authenticate with a key or a certificate (§5.3.3.1), and not by %s", c.ClientAuth)
	case c.SenderConstrained == NotConstrained:
		return errors.New(sentence + "wants tokens that are bound to a key or a certificate (§5.3.3.1): set SenderConstrained")
	case c.PAR != Always:
		return errors.New(sentence + "wants every authorization request pushed (§5.3.3.2): set PAR to Always")
	case c.Assertion.Audience != ForIssuer:
		return errors.New(sentence + "wants assertions for the issuer alone (§5.3.3.1): leave Assertion.Audience empty")
	case c.Endpoints != Endpoints{}:
		return errors.New(sentence + "takes endpoints from the provider's metadata only (§5.3.3.1): leave Endpoints empty")
	case c.Issuers.AnySlash || len(c.Issuers.Also) > 0 || len(c.Issuers.Tenants) > 0:
		return errors.New(sentence + "knows one issuer with one spelling (§5.3.3.1): leave Issuers empty")
	}
	for i, alg := range c.ClientKeys.Algorithms(ProfileAlgorithms()) {
		if !slices.Contains(ProfileAlgorithms(), alg) {
			return fmt.Errorf(sentence+"signs with %v (§5.4.1), and key %d of ClientKeys with %s", ProfileAlgorithms(), i+1, alg)
		}
	}
	return nil
}

// algorithms are those that the provider's signatures may have.
func (p Profile) algorithms() []string {
	if p == FAPI2 {
		return ProfileAlgorithms()
	}
	return algorithms()
}

// offered are the algorithms that our own signatures choose from, of those that the provider
// announces.
func (p Profile) offered(announced []string) []string {
	if p == FAPI2 {
		return ProfileAlgorithms()
	}
	return announced
}

// harden makes a transport speak TLS as the profile has it. TLS 1.3 has no suites to choose.
func (p Profile) harden(rt http.RoundTripper) {
	t, ok := rt.(*http.Transport)
	if p != FAPI2 || !ok {
		return
	}
	if t.TLSClientConfig == nil {
		t.TLSClientConfig = &tls.Config{NextProtos: []string{"http/1.1"}}
	}
	t.TLSClientConfig.MinVersion = max(t.TLSClientConfig.MinVersion, tls.VersionTLS12)
	t.TLSClientConfig.CipherSuites = []uint16{
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
		tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	}
}

// checkProfile refuses a provider that cannot do what the profile wants.
func (m *metadata) checkProfile(p Profile) error {
	if p == FAPI2 && m.PAREndpoint == "" {
		return misconfigured("the provider has no pushed_authorization_request_endpoint, without which FAPI 2.0 is not to be had: switch pushed authorization requests on there, or take provider.profile out")
	}
	return nil
}
