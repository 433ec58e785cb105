package oidc

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
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
