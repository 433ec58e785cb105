package oidc

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/cloakroom-bff/cloakroom/session"
)

// station is a transmitter of security events, and a receiver of them.
type station struct {
	*mint
	*Receiver
}

const transmitter = "https://signals.example.com/tenant"

func newStation(t *testing.T, issuers Issuers) *station {
	t.Helper()
	s := &station{mint: newMint(t, issuers)}
	var err error
	if s.Receiver, err = NewReceiver(ReceiverConfig{Issuer: transmitter, JWKS: transmitter + "/keys"}, s.Client); err != nil {
		t.Fatal(err)
	}
	s.Receiver.keys.fetch = s.Client.keys.fetch
	return s
}

// event is the claims of a good token with one event about alice.
func (s *station) event(uri string, payload map[string]any) map[string]any {
	return map[string]any{
		"iss": transmitter, "aud": "app", "iat": s.now.Unix(), "jti": "j1", "txn": "t1", "unknown": "member",
		"sub_id": map[string]any{"format": "iss_sub", "iss": "https://id.example.com/", "sub": "alice"},
		"events": map[string]any{uri: payload},
	}
}

const (
	caep = "https://schemas.openid.net/secevent/caep/event-type/"
	risc = "https://schemas.openid.net/secevent/risc/event-type/"
	ssf  = "https://schemas.openid.net/secevent/ssf/event-type/"
)

func (s *station) sign(c map[string]any) string {
	s.t.Helper()
	return s.good("secevent+jwt", c)
}

// wantCode checks that a token is refused, and how.
func wantCode(t *testing.T, err error, code string) {
	t.Helper()
	if e, ok := errors.AsType[*EventError](err); !ok || e.Code != code {
		t.Errorf("got %v, want %s", err, code)
	}
}

func TestAnEventWithAFalseSignatureIsRefused(t *testing.T) {
	t.Parallel()
	s := newStation(t, Issuers{})
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c, typ := s.event(caep+"session-revoked", map[string]any{}), map[string]any{"typ": "secevent+jwt"}
	good := s.sign(c)
	head, rest, _ := strings.Cut(good, ".")
	payload, signature, _ := strings.Cut(rest, ".")
	for name, row := range map[string]struct{ token, code string }{
		"by another key":                {s.token(jose.ES256, other, "k", typ, c), InvalidKey},
		"by a key of an unknown id":     {s.token(jose.ES256, other, "x", typ, c), InvalidKey},
		"by the public key as a secret": {s.token(jose.HS256, []byte(strings.Repeat("k", 32)), "k", typ, c), InvalidKey},
		"none":                          {"eyJhbGciOiJub25lIiwidHlwIjoic2VjZXZlbnQrand0In0." + payload + ".", InvalidKey},
		"cut off":                       {head + "." + payload + ".", InvalidKey},
		"of another text":               {head + "." + strings.ToUpper(payload[:4]) + payload[4:] + "." + signature, InvalidKey},
		"without an algorithm":          {"e30." + payload + "." + signature, InvalidKey},
		"encrypted":                     {"a.b.c.d.e", InvalidRequest},
		"no token at all":               {"hello", InvalidRequest},
		"nothing":                       {"", InvalidRequest},
		"as JSON":                       {`{"payload":"` + payload + `","protected":"` + head + `","signature":"` + signature + `"}`, InvalidRequest},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := s.Verify(t.Context(), row.token)
			wantCode(t, err, row.code)
			if err != nil && strings.Contains(err.Error(), payload) {
				t.Error("the error has the token in it")
			}
		})
	}
	if _, err := s.Verify(t.Context(), good); err != nil {
		t.Error(err)
	}
}

func TestAnEventWaitsForTheTransmittersKeys(t *testing.T) {
	t.Parallel()
	s := newStation(t, Issuers{})
	s.down = true
	token := s.sign(s.event(caep+"session-revoked", map[string]any{}))
	for range 3 {
		_, err := s.Verify(t.Context(), token)
		if failed, ok := errors.AsType[*session.RefreshError](err); !ok || failed.Class != session.Transient {
			t.Errorf("got %v", err)
		}
	}
	if s.fetches != 1 {
		t.Errorf("%d fetches", s.fetches)
	}
	s.down, s.now = false, s.now.Add(time.Second)
	if _, err := s.Verify(t.Context(), token); err != nil {
		t.Error(err)
	}
}

// Whoever can post must not be able to make of the gateway a hammer.
func TestEventsByUnknownKeysLeadToOneFetchAMinute(t *testing.T) {
	t.Parallel()
	s := newStation(t, Issuers{})
	for range 10 {
		_, err := s.Verify(t.Context(), s.token(jose.ES256, s.key, "x", map[string]any{"typ": "secevent+jwt"}, s.event(caep+"session-revoked", nil)))
		wantCode(t, err, InvalidKey)
	}
	if s.fetches != 2 {
		t.Errorf("%d fetches", s.fetches)
	}
}

// A transmitter tells itself where its keys are.
func TestTheTransmittersMetadataLeadToItsKeys(t *testing.T) {
	t.Parallel()
	var server *httptest.Server
	s := newStation(t, Issuers{})
	for name, row := range map[string]struct {
		path     string // of the issuer
		document func() (int, string)
		good     bool
	}{
		"as they should be": {"/tenant", func() (int, string) {
			return 200, `{"issuer":"` + server.URL + `/tenant","jwks_uri":"` + server.URL + `/keys"}`
		}, true},
		"without a path": {"", func() (int, string) {
			return 200, `{"issuer":"` + server.URL + `","jwks_uri":"` + server.URL + `/keys"}`
		}, true},
		"of another issuer": {"/tenant", func() (int, string) {
			return 200, `{"issuer":"https://evil.example","jwks_uri":"` + server.URL + `/keys"}`
		}, false},
		"without keys": {"/tenant", func() (int, string) { return 200, `{"issuer":"` + server.URL + `/tenant"}` }, false},
		"with keys in the clear": {"/tenant", func() (int, string) {
			return 200, `{"issuer":"` + server.URL + `/tenant","jwks_uri":"http://keys.example"}`
		}, false},
		"no JSON":   {"/tenant", func() (int, string) { return 200, `<html>` }, false},
		"not there": {"/tenant", func() (int, string) { return 404, `{}` }, false},
		"away":      {"/tenant", func() (int, string) { return 503, `{}` }, false},
	} {
		asked := 0
		mux := http.NewServeMux()
		mux.HandleFunc("/.well-known/ssf-configuration"+row.path, func(w http.ResponseWriter, _ *http.Request) {
			asked++
			status, text := row.document()
			w.WriteHeader(status)
			_, _ = w.Write([]byte(text))
		})
		mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(publish(t, jose.JSONWebKey{Key: s.key.Public(), KeyID: "k"}))
		})
		server = httptest.NewServer(mux)
		r, err := NewReceiver(ReceiverConfig{Issuer: server.URL + row.path}, s.Client)
		if err != nil {
			t.Fatal(err)
		}
		c := s.event(caep+"session-revoked", map[string]any{})
		c["iss"] = server.URL + row.path
		for range 3 {
			_, err = r.Verify(t.Context(), s.sign(c))
			if _, away := errors.AsType[*session.RefreshError](err); row.good != (err == nil) || !row.good && !away {
				t.Errorf("%s: %v", name, err)
			}
		}
		if asked != 1 {
			t.Errorf("%s: asked %d times", name, asked)
		}
		server.Close()
	}
}

// A provider may send events and be no transmitter by the book.
func TestAProviderWithoutMetadataOfATransmitterSignsWithItsOwnKeys(t *testing.T) {
	t.Parallel()
	m := newMint(t, Issuers{})
	server := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	c, err := New(Config{
		Issuer: server.URL, ClientID: "app", ClientAuth: NoSecret, RedirectURL: "https://app.example.com/cb", Now: func() time.Time { return m.now },
		Endpoints: Endpoints{Authorization: "https://id.example.com/a", Token: "https://id.example.com/t", JWKS: "https://id.example.com/k"},
	})
	if err != nil {
		t.Fatal(err)
	}
	r, err := NewReceiver(ReceiverConfig{Issuer: server.URL}, c)
	if err != nil {
		t.Fatal(err)
	}
	asked := ""
	r.keys.fetch = func(_ context.Context, address string) ([]byte, error) {
		asked = address
		return publish(t, jose.JSONWebKey{Key: m.key.Public(), KeyID: "k"}), nil
	}
	claims := (&station{mint: m}).event(caep+"session-revoked", map[string]any{})
	claims["iss"] = server.URL
	if _, err := r.Verify(t.Context(), m.good("secevent+jwt", claims)); err != nil || asked != "https://id.example.com/k" {
		t.Errorf("asked %s, %v", asked, err)
	}
}

func TestAReceiverNeedsATransmitterThatCanBeTrusted(t *testing.T) {
	t.Parallel()
	m := newMint(t, Issuers{})
	for _, cfg := range []ReceiverConfig{
		{},
		{Issuer: "signals.example.com"},
		{Issuer: "http://signals.example.com"},
		{Issuer: "https://a:b@signals.example.com"},
		{Issuer: transmitter, JWKS: "http://signals.example.com/keys"},
		{Issuer: transmitter, JWKS: "keys"},
	} {
		if _, err := NewReceiver(cfg, m.Client); err == nil {
			t.Errorf("%+v is taken", cfg)
		}
	}
}
