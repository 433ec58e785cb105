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

// An api takes the provider's tokens: such as are bound to a key with a proof that is for the
// very request and has a nonce that no proof had before (RFC 9449 §7, §9), such as are bound
// to a certificate on a connection that presents it (RFC 8705 §3).
type api struct {
	provider *devidp.Server
	takes    binding

	mu     sync.Mutex      // guards what follows
	calls  int             // let in or not
	taken  []string        // tokens that were let in
	scheme string          // of the next challenges
	free   bool            // proofs need no nonce
	nonces map[string]bool // that are still good
	proofs map[string]bool // that came
}

// binding is what tokens must be bound to.
type binding int

const (
	toNothing binding = iota
	toKey
	toCertificate
)

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
	scheme := "Bearer"
	if a.takes == toKey {
		scheme = "DPoP"
	}
	kind, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	err := errInvalidToken
	if kind == scheme && a.provider.Active(token) {
		err = a.judge(r, token)
	}
	if a.takes == toKey {
		scheme = a.scheme
		a.offerNonce(w)
	}
	if err != nil {
		w.Header().Set("WWW-Authenticate", scheme+` error="`+err.Error()+`"`)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	a.taken = append(a.taken, token)
}

// offerNonce puts a nonce into the answer. The caller holds mu.
func (a *api) offerNonce(w http.ResponseWriter) {
	if a.free {
		return
	}
	nonce := rand.Text()
	a.nonces[nonce] = true
	w.Header().Set("DPoP-Nonce", nonce)
}

// Codes of refusals.
var (
	errInvalidToken = errors.New("invalid_token")
	errUseNonce     = errors.New("use_dpop_nonce")
)

// judge asks for what the token is bound to. The caller holds mu.
func (a *api) judge(r *http.Request, token string) error {
	switch a.takes {
	case toKey:
		return a.judgeProof(r, token)
	case toCertificate:
		if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
			return errInvalidToken
		}
		sum := sha256.Sum256(r.TLS.PeerCertificates[0].Raw)
		if confirmed(token).Certificate != base64.RawURLEncoding.EncodeToString(sum[:]) {
			return errInvalidToken
		}
	}
	return nil
}

// judgeProof verifies a proof (RFC 9449 §4.3). The caller holds mu.
func (a *api) judgeProof(r *http.Request, token string) error {
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
		proof.ATH != encode(hash[:]), confirmed(token).JKT != encode(key), a.proofs[proof.JTI]:
		return errors.New("invalid_dpop_proof")
	case !a.free && !a.nonces[proof.Nonce]:
		return errUseNonce
	}
	delete(a.nonces, proof.Nonce)
	a.proofs[proof.JTI] = true
	return nil
}

// confirmation is what a token is bound to: thumbprints (RFC 9449 §6.1, RFC 8705 §3.1).
type confirmation struct {
	JKT         string `json:"jkt"`
	Certificate string `json:"x5t#S256"`
}

func confirmed(token string) (c confirmation) {
	claims := struct {
		Confirmation *confirmation `json:"cnf"`
	}{&c}
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return c
	}
	if payload, err := base64.RawURLEncoding.DecodeString(parts[1]); err == nil {
		_ = json.Unmarshal(payload, &claims) // what cannot be read confirms nothing
	}
	return c
}
