package oidc_test

import (
	"encoding/base64"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/devidp"
	"github.com/cloakroom-bff/cloakroom/session"
)

func TestTenRefreshesPresentEachTokenOnce(t *testing.T) {
	t.Parallel()
	b := setUp(t, devidp.Knobs{RefreshTokenSize: 16 << 10, RefreshTokenAlphabet: "ab+/=%& ü", AccessTokenFormat: devidp.Opaque})
	g := b.login()
	for range 10 {
		if r := b.refresh(g); r.RefreshToken == "" || r.IDToken == "" || r.Access.Token == "" {
			t.Fatalf("got %+v", r)
		}
	}
	if s := b.idp.Stats(); s.Refreshes != 10 || s.TokenRequests != 11 || s.MaxPresentations != 1 {
		t.Errorf("%+v", s)
	}
}

func TestARefreshTokenThatStaysIsNotReturned(t *testing.T) {
	t.Parallel()
	b := setUp(t, devidp.Knobs{RefreshTokenMode: devidp.Static, NoIDTokenOnRefresh: true, OmitScope: true})
	r := b.refresh(b.login())
	if r.RefreshToken != "" || r.IDToken != "" {
		t.Errorf("got %+v", r)
	}
	if r.Access.Scope != "openid profile email offline_access" {
		t.Errorf("the scope is %q, want as asked for", r.Access.Scope)
	}
}

func TestARefreshAsksForItsTargetAndNothingElse(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		target session.Target
		want   url.Values
	}{
		{"the login's", session.Target{}, nil},
		{"an audience", session.Target{Audience: "a"}, url.Values{"audience": {"a"}}},
		{"a resource", session.Target{Resource: "urn:r", Scope: "read write"}, url.Values{"resource": {"urn:r"}, "scope": {"read write"}}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			want := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"the-refresh-token"}}
			maps.Copy(want, row.want)
			c := desk(t, func(w http.ResponseWriter, r *http.Request) {
				if err := r.ParseForm(); err != nil {
					t.Error(err)
				}
				if got := r.PostForm.Encode(); got != want.Encode() {
					t.Errorf("the form is %s, want %s", got, want.Encode())
				}
				wantUser := url.QueryEscape(clientID) + ":" + url.QueryEscape(password)
				if got := r.Header.Get("Authorization"); got != "Basic "+base64.StdEncoding.EncodeToString([]byte(wantUser)) {
					t.Errorf("Authorization is %s", got)
				}
				if r.Header.Get("Accept") != "application/json" || r.Header.Get("Idempotency-Key") != "" || r.ContentLength <= 0 {
					t.Errorf("the header is %v", r.Header)
				}
				answerWith(t, w, http.StatusOK, `{"access_token":"a","token_type":"bEARER","expires_in":60,"junk":{"x":[1]}}`)
			})
			r, err := c.Refresh(t.Context(), grantOf(c), row.target)
			if err != nil {
				t.Fatal(err)
			}
			if r.Access.Type != "bEARER" || r.Access.Expiry.Sub(r.Access.Issued) != time.Minute {
				t.Errorf("got %+v", r.Access)
			}
		})
	}
}

func TestAnOddLifetimeIsWarnedOfOnce(t *testing.T) {
	t.Parallel()
	b := setUp(t, devidp.Knobs{ExpiresIn: []byte(`-96`)})
	g := b.login()
	for range 3 {
		r := b.refresh(g)
		if !r.Access.Expiry.Equal(r.Access.Issued) || !r.Access.Due(time.Now(), 0) {
			t.Errorf("the token lives from %v to %v", r.Access.Issued, r.Access.Expiry)
		}
	}
	if n := strings.Count(b.log.String(), "expired already"); n != 1 {
		t.Errorf("said %d times", n)
	}
}
