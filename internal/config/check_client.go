package config

import (
	"slices"
	"time"
)

// minSecret is the least length of a secret that signs with HS256, in bytes (RFC 7518 §3.2).
const minSecret = 32

// checkClient looks at how the client authenticates, and at what it needs for that.
func (r *reader) checkClient(p *Provider) {
	const auth, secret, file = "provider.client_auth", "provider.client_secret", "provider.client_key_file"
	if !r.sound(auth) {
		return
	}
	withSecret := slices.Contains([]ClientAuth{SecretBasic, SecretPost, SecretJWT}, p.ClientAuth)
	switch {
	case !r.sound(secret):
	case withSecret && p.ClientSecret.IsZero() && r.written(secret):
		r.problem(secret, "is empty: write the client's secret, best as ${env:NAME}")
	case withSecret && p.ClientSecret.IsZero():
		r.problem(secret, "is missing: write client_secret: ${env:CLIENT_SECRET}")
	case p.ClientAuth == SecretJWT && len(p.ClientSecret.Reveal()) < minSecret:
		r.problem(secret, "has %d bytes, and client_secret_jwt signs with 32 or more (RFC 7518, section 3.2): have the provider make a longer one, or write client_auth: private_key_jwt", len(p.ClientSecret.Reveal()))
	case p.ClientAuth == NoClientAuth && !p.ClientSecret.IsZero():
		r.problem(secret, "client_auth none has no secret: take it out, or write client_auth: client_secret_basic")
	case !withSecret && !p.ClientSecret.IsZero():
		r.problem(secret, "client_auth %s has no secret, and a client authenticates in one way: take it out", p.ClientAuth)
	case p.ClientAuth == NoClientAuth:
		r.warn(auth, "none makes the gateway a public client; RFC 10017 asks for a confidential one: use a secret or a key")
	}
	if !r.sound(file) {
		return
	}
	switch presents := p.presents(); {
	case p.ClientKeyFile == "" && (presents || p.ClientAuth == PrivateKeyJWT):
		r.problem(r.laterOf(file, auth), "%s needs a key: write client_key_file, the path of one that `cloakroom keys client` made", p.ClientAuth)
	case p.ClientKeyFile == "":
	case presents:
		r.checkCertificate(file, p)
	case p.ClientAuth != PrivateKeyJWT:
		r.problem(file, "client_auth %s has no key: take it out, or write client_auth: private_key_jwt", p.ClientAuth)
	}
}

// presents reports whether connections to the provider present a certificate.
func (p *Provider) presents() bool {
	return p.ClientAuth == MutualTLS || p.ClientAuth == SelfSignedTLS
}

// checkCertificate looks at what mutual TLS presents.
func (r *reader) checkCertificate(path string, p *Provider) {
	pair := p.ClientKeys.Certificate()
	switch {
	case pair == nil:
		r.problem(path, "has no certificate, which mutual TLS needs: put one into the file, in PEM, beside its private key, or make both with `cloakroom keys client --certificate`")
	case time.Now().After(pair.Leaf.NotAfter):
		r.warn(path, "the certificate has ended on %s: make another one, and tell the provider", pair.Leaf.NotAfter.Format(time.DateOnly))
	}
}
