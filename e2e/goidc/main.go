// Command goidc is luikyv/go-oidc, which is certified for FAPI 2.0, as a provider for the suite.
// It listens on two free ports of 127.0.0.1, of which one asks for certificates, prints
// {"issuer": …} as its first line, and ends with its standard input.
//
//	APP=http://localhost:8080 CLIENT='{"auth": "private_key_jwt", "jwks": {…}}' TLS='{"cert": …, "key": …}' goidc
//
// CLIENT has "dn" for tls_client_auth, and "mtls": true where tokens are bound to certificates
// and not to keys. Whoever comes is alice.
package main

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/luikyv/go-oidc/pkg/goidc"
	"github.com/luikyv/go-oidc/pkg/provider"
)

// api is whom access tokens are for.
const api = "https://api.example.test/"

// client is how the gateway is registered.
type client struct {
	Auth goidc.AuthnMethod
	JWKS goidc.JSONWebKeySet
	DN   string
	MTLS bool
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "goidc:", err)
		os.Exit(1)
	}
}

func run() error {
	var known client
	if err := json.Unmarshal([]byte(os.Getenv("CLIENT")), &known); err != nil {
		return fmt.Errorf("CLIENT: %w", err)
	}
	var pair struct{ Cert, Key string }
	if err := json.Unmarshal([]byte(os.Getenv("TLS")), &pair); err != nil {
		return fmt.Errorf("TLS: %w", err)
	}
	certificate, err := tls.X509KeyPair([]byte(pair.Cert), []byte(pair.Key))
	if err != nil {
		return err
	}
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	secure, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{certificate}, ClientAuth: tls.RequestClientCert,
	})
	if err != nil {
		return err
	}
	issuer := "http://" + plain.Addr().String()
	op, err := newProvider(issuer, "https://"+secure.Addr().String(), known)
	if err != nil {
		return err
	}
	failed := make(chan error, 2)
	for _, l := range []net.Listener{plain, secure} {
		server := &http.Server{Handler: presented(op.Handler()), ReadHeaderTimeout: 5 * time.Second}
		go func() { failed <- server.Serve(l) }()
	}
	if err := json.NewEncoder(os.Stdout).Encode(map[string]string{"issuer": issuer}); err != nil {
		return err
	}
	go func() { // whoever started this process holds the other end
		_, err := io.Copy(io.Discard, os.Stdin)
		failed <- err
	}()
	return <-failed
}

func newProvider(issuer, secure string, known client) (*provider.Provider, error) {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	keys := goidc.JSONWebKeySet{Keys: []goidc.JSONWebKey{{Key: private, KeyID: "signer", Algorithm: string(jose.PS256), Use: "sig"}}}
	scopes := []goidc.Scope{goidc.ScopeOpenID, goidc.ScopeOfflineAccess, goidc.ScopeProfile, goidc.ScopeEmail}
	options := []provider.Option{
		provider.WithProfile(goidc.ProfileFAPI2),
		provider.WithScopes(scopes...),
		provider.WithIDTokenSignatureAlgs(goidc.PS256),
		provider.WithPARRequired(nil),
		provider.WithIssuerResponseParameter(),
		provider.WithPKCERequired(goidc.CodeChallengeMethodSHA256),
		provider.WithAuthCodeGrant(nil, goidc.ResponseTypeCode),
		provider.WithRefreshTokenGrant(nil),
		provider.WithMTLS(secure, certificateOf),
		provider.WithTokenOptions(func(context.Context, *goidc.Grant, *goidc.Client) goidc.TokenOptions {
			return goidc.NewJWTTokenOptions(goidc.PS256, 600)
		}),
		provider.WithTokenClaims(func(context.Context, *goidc.Token, *goidc.Grant) map[string]any {
			return map[string]any{"aud": api}
		}),
		provider.WithPolicies(goidc.NewPolicy("alice", func(*http.Request, *goidc.AuthnSession, *goidc.Client) bool { return true }, letIn)),
		provider.WithErrorHandler(func(_ context.Context, err error) { fmt.Fprintln(os.Stderr, "goidc:", err) }),
		provider.WithJTIConsumer(once()),
		provider.WithStaticClients(&goidc.Client{ID: "cloakroom", ClientMeta: goidc.ClientMeta{
			ScopeIDs:   "openid offline_access profile email",
			JWKS:       &known.JWKS,
			GrantTypes: []goidc.GrantType{goidc.GrantAuthorizationCode, goidc.GrantRefreshToken}, ResponseTypes: []goidc.ResponseType{goidc.ResponseTypeCode},
			RedirectURIs:                []string{os.Getenv("APP") + "/bff/callback"},
			TokenAuthnMethod:            known.Auth,
			TLSSubjectDistinguishedName: known.DN,
		}}),
	}
	if known.Auth == goidc.AuthnMethodTLS {
		options = append(options, provider.WithTLSAuthn())
	} else {
		options = append(options, provider.WithPrivateKeyJWTAuthn(goidc.PS256, goidc.ES256))
	}
	if known.MTLS {
		options = append(options, provider.WithTLSTokenBindingRequired())
	} else {
		options = append(options, provider.WithDPoPRequired(goidc.ES256))
	}
	return provider.New(issuer, nil, func(context.Context) (goidc.JSONWebKeySet, error) { return keys, nil }, options...)
}

// letIn signs alice in and gives what is asked for.
func letIn(_ http.ResponseWriter, _ *http.Request, s *goidc.AuthnSession, _ *goidc.Client) (goidc.Status, error) {
	s.Subject, s.GrantedScopes = "alice", s.Scopes
	return goidc.StatusSuccess, nil
}

// once takes each jti once.
func once() goidc.ConsumeJTIFunc {
	var mu sync.Mutex
	seen := map[string]bool{}
	return func(_ context.Context, jti string) error {
		mu.Lock()
		defer mu.Unlock()
		if seen[jti] {
			return errors.New("this jti came before")
		}
		seen[jti] = true
		return nil
	}
}

type certificateKey struct{}

// presented notes what a connection presents.
func presented(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
			r = r.WithContext(context.WithValue(r.Context(), certificateKey{}, r.TLS.PeerCertificates[0]))
		}
		next.ServeHTTP(w, r)
	})
}

func certificateOf(ctx context.Context) (*x509.Certificate, error) {
	c, ok := ctx.Value(certificateKey{}).(*x509.Certificate)
	if !ok {
		return nil, errors.New("the connection presents no certificate")
	}
	return c, nil
}
