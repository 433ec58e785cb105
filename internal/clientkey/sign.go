package clientkey

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/go-jose/go-jose/v4"
)

// Header is what a caller decides of a signature's header.
type Header struct {
	Type string // typ: JWT, or what a profile wants in its place

	// Offered are the algorithms that the verifier announces, nil if it announces none. An
	// RSA key whose file states no algorithm signs with PS256 where RS256 is not among them.
	Offered []string
}

// Sign makes a JWT (RFC 7519) of claims under the first key.
func (s *Set) Sign(h Header, claims map[string]any) (string, error) {
	k := s.keys[0]
	return seal(jose.SigningKey{Algorithm: k.algorithm(h.Offered), Key: jose.JSONWebKey{Key: k.private, KeyID: k.id}}, k.headers(h.Type), claims)
}

// Algorithms returns what each key signs with for a verifier that offers these; see Header.
func (s *Set) Algorithms(offered []string) []string {
	if s == nil {
		return nil
	}
	algs := make([]string, len(s.keys))
	for i, k := range s.keys {
		algs[i] = string(k.algorithm(offered))
	}
	return algs
}

// SignWithSecret makes a JWT of claims under a secret that the verifier has, too, with HS256.
// The secret must have 32 bytes or more (RFC 7518 §3.2).
func SignWithSecret(secret []byte, h Header, claims map[string]any) (string, error) {
	return seal(jose.SigningKey{Algorithm: jose.HS256, Key: secret}, map[jose.HeaderKey]any{jose.HeaderType: h.Type}, claims)
}

func seal(by jose.SigningKey, headers map[jose.HeaderKey]any, claims map[string]any) (string, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("clientkey: %w", err)
	}
	signer, err := jose.NewSigner(by, &jose.SignerOptions{ExtraHeaders: headers})
	if err != nil {
		return "", fmt.Errorf("clientkey: %w", err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("clientkey: %w", err)
	}
	return signed.CompactSerialize()
}

// algorithm is what a key signs with.
func (k *key) algorithm(offered []string) jose.SignatureAlgorithm {
	switch {
	case k.alg != "":
		return k.alg
	case slices.Contains(offered, string(jose.PS256)) && !slices.Contains(offered, string(jose.RS256)):
		return jose.PS256
	}
	return jose.RS256
}

// headers name the certificate, too, where there is one: some providers know keys by it.
func (k *key) headers(kind string) map[jose.HeaderKey]any {
	headers := map[jose.HeaderKey]any{jose.HeaderType: kind}
	if k.chain != nil {
		thumb := sha256.Sum256(k.chain[0].Raw)
		headers["x5t#S256"] = base64.RawURLEncoding.EncodeToString(thumb[:])
	}
	return headers
}
