package oidc

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"
)

func TestEveryKindOfExpiresInIsRead(t *testing.T) {
	t.Parallel()
	issued := time.Date(2040, 1, 2, 3, 4, 5, 0, time.UTC) // beyond 2038
	jwt := func(exp any) string {
		payload, err := json.Marshal(map[string]any{"exp": exp})
		if err != nil {
			t.Fatal(err)
		}
		return "e30." + base64.RawURLEncoding.EncodeToString(payload) + ".c2ln"
	}
	const unknown = -1
	for _, row := range []struct {
		expiresIn, token string
		want             time.Duration
	}{
		{expiresIn: `3600`, want: time.Hour},
		{expiresIn: `"3600"`, want: time.Hour},
		{expiresIn: `" 60 "`, want: time.Minute},
		{expiresIn: `3599.9`, want: 3599 * time.Second},
		{expiresIn: `6e1`, want: time.Minute},
		{expiresIn: `0`, want: 0},
		{expiresIn: `0.5`, want: 0},
		{expiresIn: `-96`, want: 0},
		{expiresIn: `"-96"`, want: 0},
		{expiresIn: `-1e400`, want: 0},
		{expiresIn: `1000000000000`, want: farthest},
		{expiresIn: `1e300`, want: farthest},
		{expiresIn: `1e400`, want: farthest},
		{expiresIn: ``, want: unknown},
		{expiresIn: `null`, want: unknown},
		{expiresIn: `""`, want: unknown},
		{expiresIn: `"soon"`, want: unknown},
		{expiresIn: `"NaN"`, want: unknown},
		{expiresIn: `"Inf"`, want: unknown},
		{expiresIn: `"0x10"`, want: unknown},
		{expiresIn: `"\"60\""`, want: unknown},
		{expiresIn: `true`, want: unknown},
		{expiresIn: `{}`, want: unknown},
		{expiresIn: `60`, token: jwt(issued.Unix() + 600), want: time.Minute},
		{token: jwt(issued.Unix() + 600), want: 10 * time.Minute},
		{expiresIn: `null`, token: jwt(issued.Unix() + 600), want: 10 * time.Minute},
		{token: jwt(issued.Unix() - 600), want: 0},
		{token: jwt(200000000000), want: farthest},
		{token: jwt(1e300), want: unknown},
		{token: jwt("never"), want: unknown},
		{token: "a.b.c", want: unknown},
		{token: "opaque", want: unknown},
	} {
		t.Run(fmt.Sprintf("%s %.20s", row.expiresIn, row.token), func(t *testing.T) {
			t.Parallel()
			a := &answer{members: map[string]json.RawMessage{}}
			if row.expiresIn != "" {
				a.members["expires_in"] = json.RawMessage(row.expiresIn)
			}
			token, err := json.Marshal(row.token)
			if err != nil {
				t.Fatal(err)
			}
			a.members["access_token"] = token
			got := expiry(a, issued)
			want := issued.Add(row.want)
			if row.want == unknown {
				want = time.Time{}
			}
			if !got.Equal(want) {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}

func TestTheProvidersWishToBeLeftAloneIsRead(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)
	in := func(d time.Duration) string { return fmt.Sprint(now.Add(d).Unix()) }
	for _, row := range []struct {
		name    string
		header  http.Header
		limited bool
		want    time.Duration
	}{
		{"nothing", nil, true, 0},
		{"seconds", http.Header{"Retry-After": {"12"}}, false, 12 * time.Second},
		{"a date", http.Header{"Retry-After": {now.Add(time.Minute).Format(http.TimeFormat)}}, false, time.Minute},
		{"a date gone by", http.Header{"Retry-After": {now.Add(-time.Minute).Format(http.TimeFormat)}}, false, 0},
		{"negative", http.Header{"Retry-After": {"-5"}}, false, 0},
		{"nonsense", http.Header{"Retry-After": {"later"}}, false, 0},
		{"NaN", http.Header{"Retry-After": {"NaN"}}, false, 0},
		{"for ever", http.Header{"Retry-After": {"1e308"}}, false, 5 * time.Minute},
		{"Auth0's reset", http.Header{"X-Ratelimit-Reset": {in(30 * time.Second)}}, true, 30 * time.Second},
		{"Okta's reset", http.Header{"X-Rate-Limit-Reset": {in(40 * time.Second)}}, true, 40 * time.Second},
		{"the draft's reset", http.Header{"Ratelimit-Reset": {"50"}}, true, 50 * time.Second},
		{"a reset that is not why", http.Header{"X-Ratelimit-Reset": {in(30 * time.Second)}}, false, 0},
		{"the strictest counts", http.Header{"Retry-After": {"5"}, "Ratelimit-Reset": {"50"}, "X-Rate-Limit-Reset": {in(40 * time.Second)}}, true, 50 * time.Second},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			if got := retryAfter(row.header, row.limited, now); got != row.want {
				t.Errorf("got %v, want %v", got, row.want)
			}
		})
	}
}

func TestWhatLooksLikeATokenIsMasked(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"AADSTS700082: expired":                                     "AADSTS700082: expired",
		"trace 01234567-89ab-cdef-0123-456789abcdef":                "trace 01234567-89ab-cdef-0123-456789abcdef",
		"token 0123456789abcdef0123456789abcdef0123456789abcdef is": "token [masked] is",
		"lookup tenant.eu.auth0.com: no such host":                  "lookup tenant.eu.auth0.com: no such host",
	} {
		if got := maskTokens(text); got != want {
			t.Errorf("%q became %q", text, got)
		}
	}
	if got := short("a\nb\x00c"); got != "a b c" {
		t.Errorf("control characters: %q", got)
	}
}
