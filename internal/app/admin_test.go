package app

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/cloakroom-bff/cloakroom/internal/secret"
)

func TestTheAdminListenerRefusesBrowsersAndStrangers(t *testing.T) {
	reasons := []reason{{"store", "away"}}
	h := (&admin{
		token: secret.New("operator"), host: "admin.internal",
		ready:   func(*http.Request) []reason { return reasons },
		metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }),
		log:     slog.New(slog.DiscardHandler),
	}).handler()
	const near, far = "127.0.0.1:5000", "10.0.0.7:5000"
	for _, row := range []struct {
		what, path, peer, host string
		headers                map[string]string
		status                 int
	}{
		{"alive", "/healthz", far, "10.0.0.1:9090", nil, 200},
		{"not ready says why", "/readyz", far, "10.0.0.1:9090", nil, 503},
		{"metrics on this machine", "/metrics", near, "127.0.0.1:9090", nil, 200},
		{"metrics by the name localhost", "/metrics", near, "localhost:9090", nil, 200},
		{"metrics by the configured name", "/metrics", near, "admin.internal:9090", nil, 200},
		{"metrics from elsewhere", "/metrics", far, "10.0.0.1:9090", nil, 401},
		{"metrics from elsewhere, with the token", "/metrics", far, "10.0.0.1:9090", map[string]string{"Authorization": "Bearer operator"}, 200},
		{"with another token", "/metrics", far, "10.0.0.1:9090", map[string]string{"Authorization": "Bearer operato"}, 401},
		{"a page's fetch", "/metrics", near, "127.0.0.1:9090", map[string]string{"Origin": "https://evil.example"}, 403},
		{"a page's image", "/healthz", near, "127.0.0.1:9090", map[string]string{"Sec-Fetch-Site": "cross-site"}, 403},
		{"a rebound name", "/metrics", near, "evil.example:9090", nil, 403},
		{"IPv6", "/healthz", "[::1]:5000", "[::1]:9090", nil, 200},
		{"nothing else is here", "/debug/pprof/", near, "127.0.0.1:9090", nil, 404},
		{"nor written", "/healthz", near, "127.0.0.1:9090", map[string]string{"X-Method": "POST"}, 405},
	} {
		t.Run(row.what, func(t *testing.T) {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, row.path, nil)
			r.RemoteAddr, r.Host = row.peer, row.host
			for name, value := range row.headers {
				r.Header.Set(name, value)
			}
			if m := row.headers["X-Method"]; m != "" {
				r.Method = m
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != row.status {
				t.Errorf("status %d, want %d", w.Code, row.status)
			}
			if row.status == http.StatusServiceUnavailable && !strings.Contains(w.Body.String(), `{"what":"store","why":"away"}`) {
				t.Errorf("no reason in %s", w.Body)
			}
		})
	}
}

func TestWithoutATokenNobodyElsewhereSeesMetrics(t *testing.T) {
	h := (&admin{metrics: http.NotFoundHandler(), log: slog.New(slog.DiscardHandler)}).handler()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil)
	r.RemoteAddr, r.Host = "10.0.0.7:1", "10.0.0.1"
	r.Header.Set("Authorization", "Bearer ")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != http.StatusUnauthorized {
		t.Errorf("status %d", w.Code)
	}
}
