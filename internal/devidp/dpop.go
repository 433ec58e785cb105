package devidp

import (
	"crypto"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// NonceRule is what the proofs of a client must repeat of this provider's (RFC 9449 §8).
type NonceRule string

// The rules.
const (
	NonceDemanded NonceRule = "demanded" // one for all, as long as the provider runs
	NonceOnce     NonceRule = "once"     // each answer has a new one, and each is good for one proof
	NonceEndless  NonceRule = "endless"  // none is ever the right one
)

// proofFor is how long a proof is good before and after its iat.
const proofFor = time.Minute

type proofClaims struct {
	ID     string `json:"jti"`
	Method string `json:"htm"`
	URL    string `json:"htu"`
	Issued int64  `json:"iat"`
	Token  string `json:"ath"`
	Nonce  string `json:"nonce"`
}

// proofError is a proof that does not do. Its text is an error code (RFC 9449 §7.1, §8).
type proofError struct{ code, detail string }

// Error implements error.
func (e *proofError) Error() string { return e.code + ": " + e.detail }

func badProof(detail string) error { return &proofError{"invalid_dpop_proof", detail} }

// offerNonce puts a nonce into an answer (RFC 9449 §8.2).
func (p *Provider) offerNonce(w http.ResponseWriter, k Knobs) {
	if k.DPoPNonce == "" {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.nonce == "" || k.DPoPNonce != NonceDemanded {
		p.nonce = random()
		if len(p.nonces) > 1000 {
			clear(p.nonces) // whoever has an old one is told the next
		}
		p.nonces[p.nonce] = true
	}
	w.Header().Set("DPoP-Nonce", p.nonce)
}

// proven verifies the proof of a request, to the letter, and returns the thumbprint of its
// key; "" if there is no proof (RFC 9449 §4.3). access is the token that comes along.
func (p *Provider) proven(k Knobs, r *http.Request, access string) (jkt string, err error) {
	lines := r.Header.Values("DPoP")
	switch {
	case len(lines) == 0 && k.DPoPRequired:
		return "", badProof("there is none")
	case len(lines) == 0:
		return "", nil
	case len(lines) > 1:
		return "", badProof("there are two")
	}
	signed, err := jose.ParseSignedCompact(lines[0], []jose.SignatureAlgorithm{jose.ES256, jose.RS256, jose.PS256, jose.EdDSA})
	if err != nil {
		return "", badProof("it is no JWT, or of an algorithm that is not taken here")
	}
	head := signed.Signatures[0].Protected
	if head.ExtraHeaders[jose.HeaderType] != "dpop+jwt" || head.JSONWebKey == nil || !head.JSONWebKey.IsPublic() {
		return "", badProof("typ is not dpop+jwt, or jwk is no public key")
	}
	body, err := signed.Verify(head.JSONWebKey)
	if err != nil {
		return "", badProof("the signature is false")
	}
	var claims proofClaims
	if json.Unmarshal(body, &claims) != nil {
		return "", badProof("the claims cannot be read")
	}
	if err := p.judgeProof(k, r, claims, access); err != nil {
		return "", err
	}
	sum, err := head.JSONWebKey.Thumbprint(crypto.SHA256)
	if err != nil {
		return "", badProof("jwk cannot be read")
	}
	return base64.RawURLEncoding.EncodeToString(sum), nil
}

func (p *Provider) judgeProof(k Knobs, r *http.Request, claims proofClaims, access string) error {
	now, issued := p.clock(k), time.Unix(claims.Issued, 0)
	base := p.base
	if r.TLS != nil {
		base = p.mutual
	}
	here, err := url.Parse(base)
	if err != nil {
		return err
	}
	hash := ""
	if access != "" {
		sum := sha256.Sum256([]byte(access))
		hash = base64.RawURLEncoding.EncodeToString(sum[:])
	}
	switch {
	case claims.Method != r.Method:
		return badProof("htm is not " + r.Method)
	case claims.URL != here.Scheme+"://"+here.Host+r.URL.Path:
		return badProof("htu is not " + here.Scheme + "://" + here.Host + r.URL.Path)
	case now.Sub(issued).Abs() > proofFor:
		return badProof("iat is not now")
	case claims.Token != hash:
		return badProof("ath is not of the token that came")
	case claims.ID == "":
		return badProof("jti is missing")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if k.DPoPNonce == NonceEndless || k.DPoPNonce != "" && !p.nonces[claims.Nonce] {
		return &proofError{"use_dpop_nonce", "the nonce is missing, or none that is good now"}
	}
	if k.DPoPNonce == NonceOnce {
		delete(p.nonces, claims.Nonce)
	}
	maps.DeleteFunc(p.proofs, func(_ string, until time.Time) bool { return !now.Before(until) })
	if _, used := p.proofs[claims.ID]; used {
		p.books.count(func(s *Stats) { s.ProofReuses++ })
		return badProof("it was used before")
	}
	p.proofs[claims.ID] = now.Add(2 * proofFor)
	return nil
}

// refuseProof is how a token endpoint puts it (RFC 9449 §5, §8).
func refuseProof(err error) error {
	if bad, ok := errors.AsType[*proofError](err); ok {
		return refuse(bad.code, bad.detail)
	}
	return err
}

// proofChallenge is how an API puts it (RFC 9449 §7.1, §9).
func proofChallenge(w http.ResponseWriter, err error) {
	bad, ok := errors.AsType[*proofError](err)
	if !ok {
		http.Error(w, "something broke here", http.StatusInternalServerError)
		return
	}
	w.Header().Set("WWW-Authenticate", `DPoP error="`+bad.code+`", algs="ES256"`)
	w.WriteHeader(http.StatusUnauthorized)
}

// bind refuses whoever has not proven the key that a grant is bound to, and binds one that is
// bound to none. This provider does so for all clients, also for those that authenticate.
func (p *Provider) bind(g *grant, jkt string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if g.jkt != "" && g.jkt != jkt {
		return refuse("invalid_grant", "the grant is bound to a key that was not proven")
	}
	g.jkt = jkt
	return nil
}

// bearerOf takes the token out of a request to an API: the scheme is that of its kind, in any
// case (RFC 6750 §2.1, RFC 9449 §7.1).
func bearerOf(r *http.Request) (token string, proven, ok bool) {
	kind, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	proven = strings.EqualFold(kind, "DPoP")
	return token, proven, token != "" && (proven || strings.EqualFold(kind, "Bearer"))
}
