package demo

import (
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

// api is the demo's API. Like most, it knows nothing of sessions: it looks at the bearer
// token and answers.
type api struct{ calls atomic.Uint64 }

// greeting is the API's answer. It tells of the token what the page shows, and not the
// token.
type greeting struct {
	Who       string  `json:"who"`
	Count     uint64  `json:"count"` // calls answered since the start, all users
	Age       float64 `json:"token_age_seconds"`
	Remaining float64 `json:"token_remaining_seconds"`
}

func (b *Backend) hello(w http.ResponseWriter, r *http.Request) {
	token, ok := bearer(r)
	if !ok {
		// RFC 6750 §3.1: a request without any credentials is not told an error code.
		refuse(w, http.StatusUnauthorized, `Bearer realm="demo"`, "no bearer token: call this API through the gateway")
		return
	}
	now := b.now()
	claims, err := b.keys.verify(r.Context(), token, now)
	switch {
	case errors.Is(err, errInvalidToken):
		b.log.InfoContext(r.Context(), "the demo API refused a token", "err", err)
		refuse(w, http.StatusUnauthorized, `Bearer realm="demo", error="invalid_token"`, "the token is not valid, or not any more")
		return
	case err != nil:
		b.log.WarnContext(r.Context(), "the demo API cannot check tokens", "err", err)
		w.Header().Set("Retry-After", "1")
		refuse(w, http.StatusServiceUnavailable, "", "the provider's keys cannot be read at the moment")
		return
	}
	writeJSON(w, http.StatusOK, greeting{
		Who:       claims.Subject,
		Count:     b.api.calls.Add(1),
		Age:       tenths(now.Sub(claims.Issued)),
		Remaining: tenths(claims.Expires.Sub(now)),
	})
}

// bearer returns the one bearer token of a request (RFC 6750 §2.1).
func bearer(r *http.Request) (string, bool) {
	values := r.Header.Values("Authorization")
	if len(values) != 1 {
		return "", false
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	return token, strings.EqualFold(scheme, "Bearer") && token != ""
}

func noSuchPath(w http.ResponseWriter, _ *http.Request) {
	refuse(w, http.StatusNotFound, "", "no such path here: the demo has GET /api/hello, GET /demo/state, POST /demo/expire and POST /demo/break")
}

// refuse answers an error, with a challenge if there is one.
func refuse(w http.ResponseWriter, status int, challenge, detail string) {
	if challenge != "" {
		w.Header().Set("WWW-Authenticate", challenge)
	}
	writeJSON(w, status, struct {
		Error string `json:"error"`
	}{detail})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil { // a type of this package that has no JSON: a bug, but no panic
		http.Error(w, "demo: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // a browser that left needs no answer
}

// tenths rounds to what a person can read, in seconds.
func tenths(d time.Duration) float64 { return math.Round(d.Seconds()*10) / 10 }
