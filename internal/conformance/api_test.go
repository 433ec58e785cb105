package conformance

import (
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/go-jose/go-jose/v4"

	"github.com/cloakroom-bff/cloakroom/internal/devidp"
)

// An api takes the provider's tokens, and bound ones only with a proof that is for the very
// request and has a nonce of its own that no proof had before (RFC 9449 §7, §9).
type api struct {
	provider *devidp.Server
	bound    bool

	mu     sync.Mutex      // guards what follows
	calls  int             // let in or not
	taken  []string        // tokens that were let in
	scheme string          // of the next challenges
	free   bool            // proofs need no nonce
	nonces map[string]bool // that are still good
	proofs map[string]bool // that came
}

// forget begins a module.
func (a *api) forget() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.calls, a.taken, a.scheme, a.free = 0, nil, "DPoP", false
	a.nonces, a.proofs = make(map[string]bool), make(map[string]bool)
}

// challengeBy is how the scheme is spelled from now on.
func (a *api) challengeBy(scheme string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.scheme = scheme
}

// spareNonces lets proofs in without one.
func (a *api) spareNonces() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.free = true
}

func (a *api) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.calls
}

// last is the token of the newest call that was let in.
func (a *api) last() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.taken) == 0 {
		return ""
	}
	return a.taken[len(a.taken)-1]
}

// ServeHTTP implements http.Handler.
func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.calls++
	kind, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	want := "Bearer"
	if a.bound {
		want = "DPoP"
	}
	err := errInvalidToken
	if kind == want && a.provider.Active(token) {
		err = nil
	}
	if err == nil && a.bound {
		err = a.judge(r, token)
	}
	if a.bound && !a.free {
		nonce := rand.Text()
		a.nonces[nonce] = true
		w.Header().Set("DPoP-Nonce", nonce)
	}
	if err != nil {
		if a.bound {
			want = a.scheme
		}
		w.Header().Set("WWW-Authenticate", want+` error="`+err.Error()+`"`)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	a.taken = append(a.taken, token)
}

// Codes of refusals.
var (
	errInvalidToken = errors.New("invalid_token")
	errUseNonce     = errors.New("use_dpop_nonce")
)

// judge verifies a proof (RFC 9449 §4.3). The caller holds mu.
func (a *api) judge(r *http.Request, token string) error {
	proofs := r.Header.Values("DPoP")
	if len(proofs) != 1 {
		return fmt.Errorf("invalid_dpop_proof: there are %d", len(proofs))
	}
	signed, err := jose.ParseSignedCompact(proofs[0], []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return fmt.Errorf("invalid_dpop_proof: %w", err)
	}
	head := signed.Signatures[0].Protected
	body, err := signed.Verify(head.JSONWebKey)
	if err != nil {
		return fmt.Errorf("invalid_dpop_proof: %w", err)
	}
	key, err := head.JSONWebKey.Thumbprint(crypto.SHA256)
	if err != nil {
		return fmt.Errorf("invalid_dpop_proof: %w", err)
	}
	var proof struct{ JTI, HTM, HTU, ATH, Nonce string }
	if err := json.Unmarshal(body, &proof); err != nil {
		return fmt.Errorf("invalid_dpop_proof: %w", err)
	}
	hash := sha256.Sum256([]byte(token))
	encode := base64.RawURLEncoding.EncodeToString
	switch {
	case head.ExtraHeaders[jose.HeaderType] != "dpop+jwt", proof.HTM != r.Method, proof.HTU != "http://"+r.Host+r.URL.Path,
		proof.ATH != encode(hash[:]), confirmed(token) != encode(key), a.proofs[proof.JTI]:
		return errors.New("invalid_dpop_proof")
	case !a.free && !a.nonces[proof.Nonce]:
		return errUseNonce
	}
	delete(a.nonces, proof.Nonce)
	a.proofs[proof.JTI] = true
	return nil
}

// confirmed is the thumbprint of the key that a token is bound to (RFC 9449 §6.1).
func confirmed(token string) string {
	var claims struct {
		Confirmation struct{ JKT string } `json:"cnf"`
	}
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return ""
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(payload, &claims) != nil {
		return ""
	}
	return claims.Confirmation.JKT
}
