package oidc

import (
	"crypto/tls"
	"errors"
	"net/http"
)

// presents reports whether connections that carry credentials present a certificate: it
// authenticates the client, or binds the tokens to itself.
func (c *Config) presents() bool {
	return c.ClientAuth == MutualTLS || c.ClientAuth == SelfSignedTLS || c.SenderConstrained == CertificateBound
}

// presenting is a transport that presents the client's certificate to every server that asks
// for one, whichever authorities that names: who is registered with a self-signed certificate
// is of none.
func (c *Config) presenting(rt http.RoundTripper) (http.RoundTripper, error) {
	t, ok := rt.(*http.Transport)
	if !ok {
		return nil, errors.New("oidc: Transport is no *http.Transport, and only that can present a certificate")
	}
	t = t.Clone()
	if t.TLSClientConfig == nil {
		t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}
	}
	certificate := c.ClientKeys.Certificate()
	t.TLSClientConfig.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		return certificate, nil
	}
	return t, nil
}

// aliases are the endpoints that ask for certificates, where a provider keeps them apart from
// those that browsers and other clients use (RFC 8705 §5). The authorization endpoint has none:
// browsers go there.
type aliases struct {
	Token      string `json:"token_endpoint"`
	Revocation string `json:"revocation_endpoint"`
	UserInfo   string `json:"userinfo_endpoint"`
	PAR        string `json:"pushed_authorization_request_endpoint"`
}

// use puts the aliases in the place of the endpoints that they are for.
func (a aliases) use(m *metadata) {
	for _, e := range []struct {
		to   *string
		from string
	}{
		{&m.TokenEndpoint, a.Token},
		{&m.RevocationEndpoint, a.Revocation},
		{&m.UserInfoEndpoint, a.UserInfo},
		{&m.PAREndpoint, a.PAR},
	} {
		if e.from != "" {
			*e.to = e.from
		}
	}
}
