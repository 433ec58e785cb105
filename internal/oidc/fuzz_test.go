package oidc

import (
	"encoding/json"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

// FuzzTokenResponse reads whatever a token endpoint may answer. Nothing panics; a whole
// refresh token in a 2xx is never lost; a refusal needs a whole object; and what is not
// refused has a token that can be sent.
func FuzzTokenResponse(f *testing.F) {
	for _, seed := range []struct {
		status int
		kind   string
		body   string
		cut    bool
	}{
		{200, "application/json", `{"access_token":"a","token_type":"Bearer","expires_in":60,"refresh_token":"r","id_token":"x.y.z"}`, false},
		{200, "application/json", `{"refresh_token":"r","access_tok`, true},
		{200, "application/json", `{"access_token":"a","expires_in":1e400,"token_type":null}`, false},
		{200, "application/x-www-form-urlencoded", `access_token=a&refresh_token=r&token_type=bearer`, false},
		{400, "application/json", `{"error":"invalid_grant","claims":"{}","suberror":"basic_action"}`, false},
		{429, "text/html", `<html>`, false},
		{302, "", ``, false},
	} {
		f.Add(seed.status, seed.kind, seed.body, seed.cut)
	}
	c, err := New(Config{Issuer: "https://id.example.com", ClientID: "c", ClientAuth: NoSecret, RedirectURL: "https://app.example.com/cb"})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, status int, kind, body string, cut bool) {
		r := &reply{status: status, header: http.Header{"Content-Type": {kind}, "Retry-After": {kind}}, body: []byte(body)}
		if cut {
			r.cut = http.ErrBodyReadAfterClose
		}
		a := readAnswer(r)
		failed := a.classify(nil)
		if failed == nil {
			failed = a.elsewhere(session.Target{Audience: "orders"})
		}
		var whole map[string]any
		object := json.Unmarshal([]byte(body), &whole) == nil && whole != nil
		if token, ok := whole["refresh_token"].(string); ok && object && a.good() && a.text("refresh_token") != token {
			t.Fatalf("the refresh token %q was lost", token)
		}
		if failed == nil {
			if token := a.text("access_token"); !a.good() || !sendable(token) {
				t.Fatalf("%q passes for an access token", token)
			}
			now := time.Unix(1e9, 0)
			if end := expiry(a, now); !end.IsZero() && (end.Before(now) || end.Sub(now) > farthest) {
				t.Fatalf("it ends at %v", end)
			}
			return
		}
		if failed.Class == session.Refused && (cut || a.flaw != sound || status >= 500) {
			t.Fatalf("refused by status %d: %q", status, body)
		}
		c.explain(failed, a, url.Values{"refresh_token": {"presented"}})
		if failed.RetryAfter < 0 || failed.RetryAfter > longestWish || failed.Err == nil {
			t.Fatalf("got %+v", failed)
		}
	})
}
