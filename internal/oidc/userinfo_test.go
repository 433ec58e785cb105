package oidc

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/cloakroom-bff/cloakroom/session"
)

func TestSignedUserInfoIsVerified(t *testing.T) {
	t.Parallel()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	forger, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name   string
		key    *ecdsa.PrivateKey
		claims map[string]any
		want   bool
	}{
		{"signed", key, map[string]any{"sub": "alice", "name": "Alice"}, true},
		{"for us", key, map[string]any{"sub": "alice", "aud": "c", "iss": "ISSUER"}, true},
		{"for somebody else", key, map[string]any{"sub": "alice", "aud": "other"}, false},
		{"by somebody else", key, map[string]any{"sub": "alice", "iss": "https://evil.example"}, false},
		{"forged", forger, map[string]any{"sub": "alice"}, false},
		{"of somebody else", key, map[string]any{"sub": "bob"}, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			var server *httptest.Server
			server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/jwks" {
					if _, err := w.Write(publish(t, jose.JSONWebKey{Key: key.Public(), KeyID: "k"})); err != nil {
						t.Error(err)
					}
					return
				}
				if r.Header.Get("Authorization") != "Bearer at" || r.URL.RawQuery != "" {
					t.Error("the access token has to come in the header")
				}
				if row.claims["iss"] == "ISSUER" {
					row.claims["iss"] = server.URL
				}
				w.Header().Set("Content-Type", "application/jwt")
				if _, err := w.Write([]byte(signClaims(t, row.key, row.claims))); err != nil {
					t.Error(err)
				}
			}))
			t.Cleanup(server.Close)
			c, err := New(Config{
				Issuer: server.URL, ClientID: "c", ClientAuth: NoSecret, RedirectURL: "https://app.example.com/cb", UserInfo: true,
				Endpoints: Endpoints{Authorization: server.URL + "/a", Token: server.URL + "/t", JWKS: server.URL + "/jwks", UserInfo: server.URL + "/userinfo"},
			})
			if err != nil {
				t.Fatal(err)
			}
			m, err := c.provider(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			_, err = c.userInfo(t.Context(), m, "alice", session.AccessToken{Token: "at"})
			if (err == nil) != row.want {
				t.Errorf("got %v", err)
			}
		})
	}
}

func signClaims(t *testing.T, key *ecdsa.PrivateKey, claims map[string]any) string {
	t.Helper()
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: "k"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestUserInfoCannotReplaceWhatIsSigned(t *testing.T) {
	t.Parallel()
	got := merge(claims{"sub": "alice", "role": "user"}, claims{
		"sub": "alice", "role": "admin", "acr": "gold", "auth_time": json.Number("1"), "sid": "x", "name": "Alice",
	})
	if len(got) != 3 || got["role"] != "user" || got["name"] != "Alice" {
		t.Errorf("got %v", got)
	}
}

func TestAClaimThatTheIDTokenLostIsGone(t *testing.T) {
	t.Parallel()
	g := &session.Grant{
		IDToken: session.Token("e30.eyJzdWIiOiJhbGljZSIsImdyb3VwcyI6WyJhZG1pbiJdfQ.c2ln"), // sub and groups
		Claims:  map[string]any{"sub": "alice", "groups": []any{"admin"}, "name": "Alice"},
	}
	if kept := lastUserInfo(g); len(kept) != 1 || kept["name"] != "Alice" {
		t.Errorf("kept %v", kept)
	}
}
