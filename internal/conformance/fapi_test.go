package conformance

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/clientkey"
	"github.com/cloakroom-bff/cloakroom/internal/devidp"
)

// guarded is what the plan of FAPI 2.0 meets, by one key of the configuration: a client with a
// key, pushed requests, and tokens that are bound to another. The provider and the API demand
// a nonce from the first request, and another one in each that follows.
func guarded(t *testing.T) *stage {
	t.Helper()
	keys, err := clientkey.New("PS256", nil)
	if err != nil {
		t.Fatal(err)
	}
	return open(t, setting{
		provider: []string{"profile: fapi2", "client_key_file: client.json"},
		client:   devidp.Client{Auth: devidp.PrivateKeyJWT, JWKSURI: "/bff/jwks.json"},
		knobs: func(k *devidp.Knobs) {
			regulated(k)
			k.TokenAuth, k.DPoPRequired, k.DPoPNonce = devidp.PrivateKeyJWT, true, devidp.NonceOnce
		},
		takes: toKey,
		files: map[string][]byte{"client.json": keys},
	})
}

// regulated is what the provider does in both plans.
func regulated(k *devidp.Knobs) {
	k.Push = devidp.Demanded
	k.DiscoveryWithoutIss, k.IssInCallback = false, ""
	k.IDTokenAlg, k.OmitExpiresIn, k.ExpiresIn = "ES256", false, []byte("900")
}

func fapi() plan {
	return plan{"FAPI 2.0 client", "fapi2-security-profile-final-client-test-", guarded, []module{
		{"happy-path", works, "Client key, pushed request, DPoP with nonces.", func(v *visit) {
			v.signIn()
			if pushes := v.provider.Stats().Pushes - v.before.Pushes; pushes != 1 {
				v.t.Errorf("%d requests were pushed", pushes)
			}
		}},
		{"happy-path-no-dpop-nonce", works, "The same, and nobody wants a nonce.", func(v *visit) {
			v.misbehave(func(k *devidp.Knobs) { k.DPoPNonce = "" })
			v.api.spareNonces()
			v.signIn()
		}},
		{"discovery-issuer-mismatch", refused, "The metadata are another issuer's: nothing is pushed.", stopsAtStrangeMetadata},
		{"invalid-iss", refused, "`iss` of the ID token is another.", faulty(devidp.WrongIssuer, "iss is")},
		{"invalid-aud", refused, "`aud` is another client.", faulty(devidp.WrongAudience, "aud names")},
		{"invalid-secondary-aud", refused, "`aud` has another client, too.", faulty(devidp.ExtraAudience, "aud names")},
		{"invalid-null-alg", refused, "The ID token is not signed.", faulty(devidp.AlgNone, "algorithm \\\"none")},
		{"invalid-alternate-alg", refused, "The ID token is signed with RS256.", func(v *visit) {
			v.misbehave(func(k *devidp.Knobs) { k.IDTokenAlg = "RS256" })
			v.refuse("algorithm \\\"RS256")
		}},
		{"invalid-expired-exp", refused, "`exp` is over.", faulty(devidp.Expired, "expired")},
		{"invalid-missing-exp", refused, "The ID token has no `exp`.", faulty(devidp.MissingExpiry, "exp is missing")},
		{"invalid-missing-aud", refused, "It has no `aud`.", faulty(devidp.MissingAudience, "aud is missing")},
		{"invalid-missing-iss", refused, "It has no `iss`.", faulty(devidp.MissingIssuer, "iss is")},
		{"invalid-nonce", refused, "`nonce` is another login's.", faulty(devidp.WrongNonce, "nonce is")},
		{"invalid-missing-nonce", refused, "The ID token has no `nonce`.", faulty(devidp.MissingNonce, "nonce is")},
		{"valid-aud-as-array", works, "`aud` is a list of this one client.", func(v *visit) {
			v.misbehave(func(k *devidp.Knobs) { k.IDTokenFault = devidp.AudienceList })
			v.signIn()
		}},
		{"invalid-authorization-response-iss", refused, "`iss` of the answer (RFC 9207) is another.", strays(func(k *devidp.Knobs) { k.IssInCallback = devidp.IssWrong }, "login_failed", "iss")},
		{"remove-authorization-response-iss", refused, "The answer has no `iss`.", strays(func(k *devidp.Knobs) { k.IssInCallback = devidp.IssMissing }, "login_failed", "iss")},
		{"ensure-authorization-response-with-invalid-state-fails", refused, "`state` is another.", strays(func(k *devidp.Knobs) { k.StateInCallback = devidp.StateOther }, "login_failed", "state")},
		{"ensure-authorization-response-with-invalid-missing-state-fails", refused, "There is no `state`.", strays(func(k *devidp.Knobs) { k.StateInCallback = devidp.StateMissing }, "bad_request", "")},
		{"token-endpoint-response-without-expires_in", works, "Nobody says how long the token lives.", func(v *visit) {
			v.misbehave(func(k *devidp.Knobs) { k.OmitExpiresIn = true })
			v.signIn()
		}},
		{"token-type-case-insensitivity", works, "`token_type` is `dpOP`.", func(v *visit) {
			v.misbehave(func(k *devidp.Knobs) { k.TokenType = "dpOP" })
			v.signIn()
		}},
		{"rs-dpop-auth-scheme-case-insensitivity", works, "The API demands its nonce by `dPoP`: the call is repeated with it.", func(v *visit) {
			v.api.challengeBy("dPoP")
			v.signIn()
			if n := v.api.count(); n != 2 {
				v.t.Errorf("the API was called %d times", n)
			}
		}},
	}}
}

// certified is the same plan for a client with a certificate, by which it is known to the provider,
// and to which its tokens are bound.
func certified(t *testing.T) *stage {
	t.Helper()
	pair, err := clientkey.NewCertificate("ES256", clientID, time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return open(t, setting{
		provider: []string{"profile: fapi2", "client_auth: tls_client_auth", "client_key_file: client.pem", "ca_file: provider.pem", "sender_constrained: mtls"},
		client:   devidp.Client{Auth: devidp.MutualTLS, SubjectDN: "CN=" + clientID},
		knobs: func(k *devidp.Knobs) {
			regulated(k)
			k.TokenAuth, k.BoundTokens = devidp.MutualTLS, true
		},
		takes:  toCertificate,
		mutual: true,
		files:  map[string][]byte{"client.pem": pair},
	})
}

// fapiByCertificate leaves out what is about proofs.
func fapiByCertificate() plan {
	p := fapi()
	p.name, p.open = "FAPI 2.0 client with mutual TLS", certified
	p.modules = slices.DeleteFunc(p.modules, func(m module) bool { return strings.Contains(m.name, "dpop") || strings.Contains(m.name, "token-type") })
	p.modules[0].does = "Certificate, pushed request, tokens that are bound to the certificate."
	return p
}

// strays is an answer that belongs to no login: its code is not presented.
func strays(how func(*devidp.Knobs), code, reason string) func(*visit) {
	return func(v *visit) {
		v.misbehave(how)
		callback := v.setOut()
		if !strings.Contains(callback, "code=") {
			v.t.Fatal("the provider gave no code")
		}
		a := v.navigate(callback, "cross-site")
		if got := a.header.Get("Cloakroom-Error"); a.status != http.StatusBadRequest || got != code {
			v.t.Errorf("the callback answered %d %q, want %q", a.status, got, code)
		}
		if !v.log.says("code="+code) || !v.log.says(reason) {
			v.t.Errorf("the log does not say %q", reason)
		}
		v.isOut()
		if now := v.provider.Stats(); now.TokenRequests != v.before.TokenRequests {
			v.t.Error("the code was presented")
		}
	}
}
