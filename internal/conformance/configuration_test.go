package conformance

import (
	"net/http"
	"strings"

	"github.com/cloakroom-bff/cloakroom/internal/devidp"
)

func configuration() plan {
	return plan{"Config", oidcModule, plain, []module{
		{"-discovery-openid-config", works, "The endpoints are those of the metadata.", func(v *visit) {
			v.restart()
			v.signIn()
			if r := v.asked(devidp.DiscoveryEndpoint); r.Path != issuerPath+".well-known/openid-configuration" {
				v.t.Errorf("the metadata were asked for at %s", r.Path)
			}
		}},
		{"-discovery-jwks-uri-keys", works, "The keys are where `jwks_uri` says, which nobody could guess.", func(v *visit) {
			v.misbehave(func(k *devidp.Knobs) { k.JWKSName = "nowhere-else" })
			v.restart()
			v.signIn()
			if r := v.asked(devidp.JWKSEndpoint); !strings.HasSuffix(r.Path, "/nowhere-else") {
				v.t.Errorf("the keys were asked for at %s", r.Path)
			}
		}},
		{"-discovery-issuer-mismatch", refused, "The metadata are another issuer's: nobody is sent to its authorization endpoint.", stopsAtStrangeMetadata},
		{"-signing-key-rotation-just-before-signing", works, "The keys change while the browser is at the provider.", func(v *visit) {
			v.restart()
			v.again().signIn()
			callback := v.setOut()
			v.provider.UseKeys(nextKeys(v.t))
			v.comeBack(callback)
		}},
		{"-signing-key-rotation", works, "The keys change between two logins.", func(v *visit) {
			v.restart()
			v.signIn()
			v.provider.UseKeys(nextKeys(v.t))
			v.again().signIn()
		}},
		{"-idtoken-sig-none", refused, "The ID token is not signed.", faulty(devidp.AlgNone, "algorithm \\\"none")},
	}}
}

// stopsAtStrangeMetadata leaves the gateway as it was: the next one asks again.
func stopsAtStrangeMetadata(v *visit) {
	v.misbehave(func(k *devidp.Knobs) { k.DiscoveryIssuer = "https://evil.example/" })
	v.restart()
	a := v.navigate("/bff/login?returnUrl=/", "same-origin")
	if code := a.header.Get("Cloakroom-Error"); a.status != http.StatusServiceUnavailable || code != "gateway_misconfigured" {
		v.t.Errorf("the login answered %d %q", a.status, code)
	}
	now := v.provider.Stats()
	if now.AuthorizeRequests != v.before.AuthorizeRequests || now.Pushes != v.before.Pushes {
		v.t.Error("the provider was asked to authorize")
	}
	v.isOut()
	v.misbehave(func(k *devidp.Knobs) { k.DiscoveryIssuer = "" })
	v.restart()
}
