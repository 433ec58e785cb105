package conformance

import (
	"strings"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/clientkey"
	"github.com/cloakroom-bff/cloakroom/internal/devidp"
)

func further() plan {
	return plan{"Further code-flow cases", oidcModule, plain, []module{
		{"-missing-aud", refused, "The ID token has no `aud`.", faulty(devidp.MissingAudience, "aud is missing")},
		{"-invalid-sig-es256", refused, "A false signature of ES256.", func(v *visit) {
			v.misbehave(func(k *devidp.Knobs) { k.IDTokenAlg, k.IDTokenFault = "ES256", devidp.BrokenSignature })
			v.refuse("signature is false")
		}},
		{"-invalid-sig-hs256", refused, "A false signature of HS256.", faulty(devidp.HMACBroken, "algorithm \\\"HS256")},
		{"-userinfo-bearer-header", works, "UserInfo gets the token in the header.", func(v *visit) {
			v.signIn()
			if r := v.asked(devidp.UserInfoEndpoint); !strings.HasPrefix(r.Header.Get("Authorization"), "Bearer ") || r.Form.Has("access_token") {
				v.t.Error("the token came in another way")
			}
		}},
		{"-userinfo-signed", works, "The answer of UserInfo is a JWT.", func(v *visit) {
			v.misbehave(func(k *devidp.Knobs) { k.SignedUserInfo = true })
			v.signIn()
			if name := v.claims()["name"]; name != "Alice Archer" {
				v.t.Errorf("/bff/user says that the name is %v", name)
			}
		}},
		{"-mtls-endpoint-aliases", works, "A client with a certificate goes to `mtls_endpoint_aliases`.", goesToTheAliases},
		{"-3rd-party-init-login", notOffered, "A login that another site begins. There is no `initiate_login_uri`: a link to `/bff/login?returnUrl=…` does it.", nil},
	}}
}

// goesToTheAliases has a stage of its own: it is another client.
func goesToTheAliases(v *visit) {
	pair, err := clientkey.NewCertificate("ES256", clientID, time.Now(), time.Hour)
	if err != nil {
		v.t.Fatal(err)
	}
	own := open(v.t, setting{
		provider: []string{"userinfo: true", "client_auth: tls_client_auth", "client_key_file: client.pem", "ca_file: provider.pem"},
		client:   devidp.Client{Auth: devidp.MutualTLS, SubjectDN: "CN=" + clientID},
		mutual:   true,
		files:    map[string][]byte{"client.pem": pair},
	}).receive(v.t)
	own.signIn()
	for _, e := range []devidp.Endpoint{devidp.TokenEndpoint, devidp.UserInfoEndpoint} {
		if r := own.asked(e); !r.Secure || r.Thumbprint == "" {
			v.t.Errorf("the endpoint %s was asked without the certificate", e)
		}
	}
}
