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
	"github.com/cloakroom-bff/cloakroom/internal/telemetry"
)

// admin is the operator's listener: /healthz says that the process lives, /readyz whether
// it should get traffic and why not, /metrics what it counted, and /sessions shows and ends
// sessions.
type admin struct {
	token     secret.Text
	host      string                       // of the listener's address, as configured
	ready     func(*http.Request) []reason // what stands in the way of traffic; none: ready
	metrics   http.Handler
	operators *operators
	audit     *telemetry.Audit
	log       *slog.Logger
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
	mux.Handle("GET /sessions", a.operation("list", a.operators.list))
	mux.Handle("GET /sessions/{id}", a.operation("show", a.operators.show))
	mux.Handle("DELETE /sessions/{id}", a.operation("end", a.operators.end))
	mux.Handle("DELETE /sessions", a.operation("end_many", a.operators.endMany))
	mux.Handle("GET /backup", a.download("backup", a.operators.sendBackup))
	return a.noBrowsers(mux)
}

// noBrowsers refuses what a web page could send here. A page on any site can reach a
// listener on the user's own machine, and by DNS rebinding even read its answers; such a
// request has an Origin, fetch metadata, or a name in Host that nobody gave this listener.
func (a *admin) noBrowsers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Origin") != "" || r.Header.Get("Sec-Fetch-Site") != "" || !a.ownHost(r.Host) {
			a.fail(w, newProblem(http.StatusForbidden, "access_denied", "This listener is not for browsers: ask for it by address, without Origin."))
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
			a.fail(w, unauthorized())
			return
		}
		next.ServeHTTP(w, r)
	})
}

// operation is an act of an operator, which stands in the audit log.
func (a *admin) operation(name string, do func(*http.Request, *telemetry.Act) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		act := telemetry.Act{Name: name, By: peerOf(r), Status: http.StatusOK}
		var answer any
		act.Err = unauthorized()
		if a.permits(r) {
			answer, act.Err = do(r, &act)
		}
		if act.Err == nil {
			a.audit.Operator(r.Context(), act)
			a.answer(w, http.StatusOK, answer)
			return
		}
		p := problemOf(act.Err)
		act.Status = p.Status
		a.audit.Operator(r.Context(), act)
		a.fail(w, p)
	})
}

// permits reports whether whoever asks may act. It asks for the token once there is one,
// also from this machine: behind a proxy on it, all the world looks near.
func (a *admin) permits(r *http.Request) bool {
	return a.authorized(r) || a.token.IsZero() && fromLoopback(r)
}

func unauthorized() *problem {
	return newProblem(http.StatusUnauthorized, "unauthorized", "Send admin.token as a bearer token.")
}

func (a *admin) authorized(r *http.Request) bool {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return ok && !a.token.IsZero() && subtle.ConstantTimeCompare([]byte(token), []byte(a.token.Reveal())) == 1
}

func fromLoopback(r *http.Request) bool {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && peer.Addr().Unmap().IsLoopback()
}

// peerOf is the address of whoever asks.
func peerOf(r *http.Request) string {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return peer.Addr().Unmap().String()
}

func (a *admin) answer(w http.ResponseWriter, status int, body any) {
	a.write(w, "application/json; charset=utf-8", status, body)
}

func (a *admin) fail(w http.ResponseWriter, p *problem) {
	w.Header().Set("Cloakroom-Error", p.Code)
	switch p.Status {
	case http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", `Bearer realm="cloakroom admin"`)
	case http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", "5")
	}
	a.write(w, "application/problem+json", p.Status, p)
}

func (a *admin) write(w http.ResponseWriter, mediaType string, status int, body any) {
	w.Header().Set("Content-Type", mediaType)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(body); err != nil {
		a.log.Debug("admin: an answer was not delivered", "err", err)
	}
}
