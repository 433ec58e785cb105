//go:build e2e

package e2e

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"strings"
	"sync"
	"testing"
)

// An upstream is an API that remembers what it was sent and answers who it was told.
type upstream struct {
	url string

	mu     sync.Mutex
	calls  []call
	strict string // the first Authorization that came to /api/strict/
}

type call struct {
	authorization string
	raw           string // the request as it came
}

func startUpstream(t *testing.T) *upstream {
	t.Helper()
	u := &upstream{}
	server := httptest.NewServer(u)
	t.Cleanup(server.Close)
	u.url = server.URL
	return u
}

// ServeHTTP implements http.Handler. Below /api/strict/ the first token is not good enough: its
// user has to sign in again (RFC 9470).
func (u *upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	raw, err := httputil.DumpRequest(r, true)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	u.mu.Lock()
	u.calls = append(u.calls, call{r.Header.Get("Authorization"), string(raw)})
	strict := strings.HasPrefix(r.URL.Path, "/api/strict/")
	if strict && u.strict == "" {
		u.strict = r.Header.Get("Authorization")
	}
	weak := strict && u.strict == r.Header.Get("Authorization")
	u.mu.Unlock()
	if weak {
		w.Header().Set("WWW-Authenticate", `Bearer error="insufficient_user_authentication", error_description="Sign in with a passkey.", acr_values="phr", max_age="300"`)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if key := r.Header.Get("Sec-Websocket-Key"); key != "" {
		holdSocket(w, key)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cloakroom-Error", "forged") // which no browser may hear
	_ = json.NewEncoder(w).Encode(map[string]string{"user": r.Header.Get("X-User"), "path": r.URL.Path})
}

func (u *upstream) got() []call {
	u.mu.Lock()
	defer u.mu.Unlock()
	return append([]call(nil), u.calls...)
}
