package devidp

import (
	"encoding/json"
	"io"
	"mime"
	"net"
	"net/http"
)

// Control returns the provider's other side for callers that are no Go: a handler that
// turns knobs and tells secrets. It is never part of the provider's own address; mount it
// on a loopback listener of its own. Browsers are refused. All bodies are JSON.
//
//	GET  /stats                                       Stats
//	GET  /requests   /tokens   /grants                what came, what was made, whose it is
//	POST /presentations  {"refresh_token"}            {"presentations"}
//	GET  /knobs                                       Knobs
//	POST /knobs          {"at_ttl": "5s", …}          turns these and leaves the others alone
//	PUT  /knobs          {…}                          turns these and sets the others to zero
//	POST /revoke         {"sub"}, {"grant"}, {"refresh_token"} or {"all": true}   {"revoked"}
//	POST /rotate-keys                                 204
//	POST /rotate-client-secret  {"client"}            {"client_secret"}
//	POST /hold           {"endpoint"}                 204; keeps back the next answer
//	POST /release                                     {"released"}; releases all
//	POST /logout-token   {"url", "client", "sub", "sid", "jti", "fault"}          {"status"}; without url to the registered one
func (p *Provider) Control() http.Handler {
	mux := http.NewServeMux()
	tell := func(path string, what func() any) {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, what()) })
	}
	tell("/stats", func() any { return p.Stats() })
	tell("/requests", func() any { return p.Requests() })
	tell("/tokens", func() any { return p.Tokens() })
	tell("/grants", func() any { return p.Grants() })
	tell("/knobs", func() any { return p.turned() })
	mux.HandleFunc("POST /presentations", p.controlPresentations)
	mux.HandleFunc("POST /knobs", func(w http.ResponseWriter, r *http.Request) { p.controlKnobs(w, r, false) })
	mux.HandleFunc("PUT /knobs", func(w http.ResponseWriter, r *http.Request) { p.controlKnobs(w, r, true) })
	mux.HandleFunc("POST /revoke", p.controlRevoke)
	mux.HandleFunc("POST /rotate-keys", p.controlRotateKeys)
	mux.HandleFunc("POST /rotate-client-secret", p.controlRotateSecret)
	mux.HandleFunc("POST /hold", p.controlHold)
	mux.HandleFunc("POST /release", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]int{"released": p.ReleaseAll()})
	})
	mux.HandleFunc("POST /logout-token", p.controlLogoutToken)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		if why := foreign(r); why != "" {
			controlError(w, http.StatusForbidden, why)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// foreign says why a caller is refused. A page that the developer happens to look at can
// send requests to loopback, and can give its own name this machine's address; neither
// must turn knobs or read tokens.
func foreign(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	peer, _, err := net.SplitHostPort(r.RemoteAddr)
	switch {
	case r.Header.Get("Origin") != "" || r.Header.Get("Sec-Fetch-Site") != "":
		return "browsers are refused"
	case !isLoopback(host):
		return "call this by a loopback address"
	case err != nil || !isLoopback(peer):
		return "only this machine may call"
	}
	return ""
}

func controlError(w http.ResponseWriter, status int, why string) {
	writeJSON(w, status, map[string]string{"error": why})
}

// readControl reads a JSON body into v, and answers with what is wrong with it.
func readControl(w http.ResponseWriter, r *http.Request, v any) bool {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		controlError(w, http.StatusUnsupportedMediaType, "send application/json")
		return false
	}
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(v); err != nil {
		controlError(w, http.StatusBadRequest, err.Error())
		return false
	}
	return true
}

func (p *Provider) controlPresentations(w http.ResponseWriter, r *http.Request) {
	var body struct {
		RefreshToken string `json:"refresh_token"`
	}
	if readControl(w, r, &body) {
		writeJSON(w, http.StatusOK, map[string]int{"presentations": p.Presentations(body.RefreshToken)})
	}
}

func (p *Provider) controlKnobs(w http.ResponseWriter, r *http.Request, fresh bool) {
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	if err != nil {
		controlError(w, http.StatusBadRequest, "the body cannot be read")
		return
	}
	p.Adjust(func(k *Knobs) {
		next := *k
		if fresh {
			next = Knobs{ClaimsScript: k.ClaimsScript}
		}
		if err = json.Unmarshal(text, &next); err == nil {
			err = next.check()
		}
		if err == nil {
			*k = next
		}
	})
	if err != nil {
		controlError(w, http.StatusBadRequest, err.Error())
		return
	}
	writeJSON(w, http.StatusOK, p.turned())
}

func (p *Provider) controlRevoke(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Sub          string `json:"sub"`
		Grant        string `json:"grant"`
		RefreshToken string `json:"refresh_token"`
		All          bool   `json:"all"`
	}
	if !readControl(w, r, &body) {
		return
	}
	n := 0
	switch {
	case body.Sub != "":
		n = p.RevokeSubject(body.Sub)
	case body.Grant != "":
		n = p.RevokeGrant(body.Grant)
	case body.RefreshToken != "":
		if p.RevokeRefreshToken(body.RefreshToken) {
			n = 1
		}
	case body.All:
		n = p.RevokeAll()
	default:
		controlError(w, http.StatusBadRequest, "say what: sub, grant, refresh_token, or all")
		return
	}
	writeJSON(w, http.StatusOK, map[string]int{"revoked": n})
}

func (p *Provider) controlRotateKeys(w http.ResponseWriter, _ *http.Request) {
	if err := p.RotateKeys(); err != nil {
		controlError(w, http.StatusInternalServerError, err.Error())
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (p *Provider) controlRotateSecret(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Client string `json:"client"`
	}
	if !readControl(w, r, &body) {
		return
	}
	secret, ok := p.RotateClientSecret(body.Client)
	if !ok {
		controlError(w, http.StatusNotFound, "no client with a secret has this id")
		return
	}
	writeJSON(w, http.StatusOK, map[string]string{"client_secret": secret})
}

func (p *Provider) controlHold(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Endpoint Endpoint `json:"endpoint"`
	}
	if !readControl(w, r, &body) {
		return
	}
	if err := oneOf("endpoint", body.Endpoint, endpoints()...); err != nil || body.Endpoint == "" {
		controlError(w, http.StatusBadRequest, "endpoint is discovery, jwks, authorize, sign_in, token, revocation, userinfo or end_session")
		return
	}
	p.Hold(body.Endpoint)
	w.WriteHeader(http.StatusNoContent)
}

func (p *Provider) controlLogoutToken(w http.ResponseWriter, r *http.Request) {
	var body struct {
		URL string `json:"url"`
		LogoutToken
	}
	if !readControl(w, r, &body) {
		return
	}
	status, err := p.SendLogoutToken(r.Context(), body.URL, body.LogoutToken)
	if err != nil {
		controlError(w, http.StatusBadGateway, err.Error())
		return
	}
	writeJSON(w, http.StatusOK, map[string]int{"status": status})
}
