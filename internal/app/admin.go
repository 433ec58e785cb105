package app

import (
	"crypto/subtle"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/cloakroom-bff/cloakroom/internal/secret"
)

// admin is the operator's listener: /healthz says that the process lives, /readyz whether
// it should get traffic and why not, /metrics what it counted.
type admin struct {
	token   secret.Text
	host    string                       // of the listener's address, as configured
	ready   func(*http.Request) []reason // what stands in the way of traffic; none: ready
	metrics http.Handler
	log     *slog.Logger
}

// reason is one thing that keeps the gateway from being ready.
type reason struct {
	What string `json:"what"` // store, provider, shutdown
	Why  string `json:"why"`
}

func (a *admin) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		a.answer(w, http.StatusOK, map[string]any{"status": "ok"})
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if reasons := a.ready(r); len(reasons) > 0 {
			a.answer(w, http.StatusServiceUnavailable, map[string]any{"status": "not ready", "reasons": reasons})
			return
		}
		a.answer(w, http.StatusOK, map[string]any{"status": "ready"})
	})
	mux.Handle("GET /metrics", a.guarded(a.metrics))
	return a.noBrowsers(mux)
}

// noBrowsers refuses what a web page could send here. A page on any site can reach a
// listener on the user's own machine, and by DNS rebinding even read its answers; such a
// request has an Origin, fetch metadata, or a name in Host that nobody gave this listener.
func (a *admin) noBrowsers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Origin") != "" || r.Header.Get("Sec-Fetch-Site") != "" || !a.ownHost(r.Host) {
			a.answer(w, http.StatusForbidden, map[string]any{"status": "refused", "why": "this listener is not for browsers; ask for it by address, without Origin"})
			return
		}
		next.ServeHTTP(w, r)
	})
}

// ownHost reports whether a Host header names this listener: an address, localhost, or
// the name that it was configured with.
func (a *admin) ownHost(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	return strings.EqualFold(host, "localhost") || a.host != "" && strings.EqualFold(host, a.host)
}

// guarded asks peers off this machine for the token.
func (a *admin) guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !fromLoopback(r) && !a.authorized(r) {
			w.Header().Set("WWW-Authenticate", `Bearer realm="cloakroom admin"`)
			a.answer(w, http.StatusUnauthorized, map[string]any{"status": "refused", "why": "send admin.token as a bearer token"})
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (a *admin) authorized(r *http.Request) bool {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return ok && !a.token.IsZero() && subtle.ConstantTimeCompare([]byte(token), []byte(a.token.Reveal())) == 1
}

func fromLoopback(r *http.Request) bool {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && peer.Addr().Unmap().IsLoopback()
}

func (a *admin) answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(body); err != nil {
		a.log.Debug("admin: an answer was not delivered", "err", err)
	}
}
