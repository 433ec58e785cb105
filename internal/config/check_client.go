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
	if !r.sound(file, "provider.sender_constrained", "provider.jar") {
		return
	}
	switch presents := p.presents(); {
	case p.ClientKeyFile == "" && p.SenderConstrained == MTLSBound:
		r.problem(r.laterOf(file, "provider.sender_constrained"), "mtls binds tokens to a certificate: write client_key_file, the path of one that `cloakroom keys client --certificate` made")
	case p.ClientKeyFile == "" && (presents || p.ClientAuth == PrivateKeyJWT):
		r.problem(r.laterOf(file, auth), "%s needs a key: write client_key_file, the path of one that `cloakroom keys client` made", p.ClientAuth)
	case p.ClientKeyFile == "" && p.JAR == UseAlways:
		r.problem(r.laterOf(file, "provider.jar"), "requests are signed with a key: write client_key_file, the path of one that `cloakroom keys client` made")
	case p.ClientKeyFile == "":
	case presents:
		r.checkCertificate(file, p)
	case p.ClientAuth != PrivateKeyJWT && p.JAR != UseAlways:
		r.problem(file, "client_auth %s has no key: take it out, or write client_auth: private_key_jwt, or jar: always", p.ClientAuth)
	}
}

// presents reports whether connections to the provider present a certificate.
func (p *Provider) presents() bool {
	return p.ClientAuth == MutualTLS || p.ClientAuth == SelfSignedTLS || p.SenderConstrained == MTLSBound
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

// checkBound looks at the routes whose tokens are bound to the client's certificate: they
// travel over connections that present it, or are refused.
func (r *reader) checkBound(c *Config) {
	if c.Provider.SenderConstrained != MTLSBound || !r.sound("provider.sender_constrained") {
		return
	}
	for i := range c.Routes {
		rt, path := &c.Routes[i], element("routes", i)
		if !rt.SendsToken() || !r.sound(path+".upstream", path+".token", path+".access") || rt.Upstream[0] == nil {
			continue
		}
		if rt.Upstream[0].Scheme != "https" {
			r.problem(path+".upstream", "gets tokens that are bound to a certificate (provider.sender_constrained: mtls), which only TLS can present: write https://…, or token: none")
		}
		if cert := path + ".upstream_tls.cert_file"; rt.UpstreamTLS.CertFile != "" && r.sound(cert) {
			r.problem(cert, "is another certificate than the one that the tokens are bound to (provider.client_key_file), which goes first: take it out, or write token: none")
		}
	}
	if c.ForwardAuth.Listen != "" && r.sound("forward_auth.listen") {
		r.warn("forward_auth.listen", "hands out tokens that are bound to a certificate (provider.sender_constrained: mtls): the ingress has to present that of provider.client_key_file to upstreams, too")
	}
}
