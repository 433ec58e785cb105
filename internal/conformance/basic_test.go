package conformance

import (
	"net/http"
	"strings"
	"testing"

	"github.com/cloakroom-bff/cloakroom/internal/devidp"
)

const oidcModule = "oidcc-client-test"

// plain is what the plans of OpenID Connect meet: a client with a secret, and userinfo.
func plain(t *testing.T) *stage {
	t.Helper()
	return open(t, setting{provider: []string{"userinfo: true", "scopes: [openid, profile, email, phone, address, offline_access]"}})
}

// faulty is a module whose ID token must be refused, for a reason that the log gives.
func faulty(f devidp.Fault, reason string) func(*visit) {
	return func(v *visit) {
		v.misbehave(func(k *devidp.Knobs) { k.IDTokenFault = f })
		v.refuse(reason)
	}
}

func basic() plan {
	return plan{"Basic", oidcModule, plain, []module{
		{"", works, "A login by code, then UserInfo.", func(v *visit) {
			v.signIn()
			if n := v.provider.Stats().UserInfoRequests - v.before.UserInfoRequests; n != 1 {
				v.t.Errorf("userinfo was asked %d times", n)
			}
		}},
		{"-invalid-iss", refused, "`iss` of the ID token is another.", faulty(devidp.WrongIssuer, "iss is")},
		{"-missing-sub", refused, "The ID token has no `sub`.", faulty(devidp.MissingSubject, "sub must")},
		{"-invalid-aud", refused, "`aud` is another client.", faulty(devidp.WrongAudience, "aud names")},
		{"-missing-iat", refused, "The ID token has no `iat`.", faulty(devidp.MissingIssued, "iat is missing")},
		{"-kid-absent-single-jwks", works, "No `kid`, and one key: that is the one.", func(v *visit) {
			v.provider.UseKeys(nextKeys(v.t).Alone())
			v.misbehave(func(k *devidp.Knobs) { k.OmitKid = true })
			v.signIn()
		}},
		{"-kid-absent-multiple-jwks", works, "No `kid`, and many keys: those that fit are tried.", func(v *visit) {
			v.misbehave(func(k *devidp.Knobs) { k.OmitKid = true })
			v.signIn()
		}},
		{"-idtoken-sig-rs256", works, "The ID token is signed with RS256.", func(v *visit) {
			v.misbehave(func(k *devidp.Knobs) { k.IDTokenAlg = "RS256" })
			v.signIn()
		}},
		{"-idtoken-sig-none", refused, "The ID token is not signed.", faulty(devidp.AlgNone, "algorithm \\\"none")},
		{"-invalid-sig-rs256", refused, "The signature is false.", faulty(devidp.BrokenSignature, "signature is false")},
		{"-userinfo-invalid-sub", refused, "UserInfo is about somebody else.", func(v *visit) {
			v.misbehave(func(k *devidp.Knobs) { k.UserInfoFault = devidp.UserInfoWrongSub })
			v.refuseCallback(v.setOut(), "userinfo: sub is not")
		}},
		{"-nonce-invalid", refused, "`nonce` is another login's.", faulty(devidp.WrongNonce, "nonce is")},
		{"-scope-userinfo-claims", works, "What the scopes `profile`, `email`, `phone` and `address` bring is shown by `/bff/user`.", showsClaims},
		{"-client-secret-basic", works, "The client authenticates by Basic.", func(v *visit) {
			v.misbehave(func(k *devidp.Knobs) { k.TokenAuth = devidp.BasicAuth })
			v.signIn()
			if r := v.asked(devidp.TokenEndpoint); !strings.HasPrefix(r.Header.Get("Authorization"), "Basic ") || r.Form.Has("client_secret") {
				v.t.Error("the secret came in another way")
			}
		}},
	}}
}

func showsClaims(v *visit) {
	v.signIn()
	asked := strings.Fields(v.asked(devidp.AuthorizeEndpoint).Form.Get("scope"))
	for _, scope := range []string{"openid", "profile", "email", "phone", "address"} {
		if !strings.Contains(" "+strings.Join(asked, " ")+" ", " "+scope+" ") {
			v.t.Errorf("the login asked for %q, without %s", asked, scope)
		}
	}
	shown := v.claims()
	for _, claim := range []string{"name", "email", "phone_number", "address"} {
		if shown[claim] == nil {
			v.t.Errorf("/bff/user does not show %s", claim)
		}
	}
	if a := v.script(http.MethodGet, "/bff/user"); strings.Contains(a.body, v.api.last()) {
		v.t.Error("/bff/user shows a token")
	}
}
