package devidp

import (
	"encoding/json"

	"github.com/go-jose/go-jose/v4"
)

// hint is what an ID token says of a session that is to end.
type hint struct {
	Issuer  string `json:"iss"`
	Subject string `json:"sub"`
	Client  string `json:"azp"` // every ID token here has it
	SID     string `json:"sid"`
}

// readHint reads an id_token_hint. It may have expired, and its key may be gone (OpenID
// Connect RP-Initiated Logout 1.0 §2), but it must be ours.
func (p *Provider) readHint(text string) (hint, bool) {
	signed, err := jose.ParseSignedCompact(text, []jose.SignatureAlgorithm{jose.RS256, jose.ES256})
	if err != nil || len(signed.Signatures) != 1 {
		return hint{}, false
	}
	header := signed.Signatures[0].Header
	for _, key := range p.publicKeys() {
		if key.Algorithm != header.Algorithm || header.KeyID != "" && key.KeyID != header.KeyID {
			continue
		}
		payload, err := signed.Verify(key)
		if err != nil {
			continue
		}
		var h hint
		if json.Unmarshal(payload, &h) != nil {
			return hint{}, false
		}
		return h, h.Issuer == p.tokenIssuer(p.turned())
	}
	return hint{}, false
}

// publicKeys lists all signature keys that are or were the provider's.
func (p *Provider) publicKeys() (keys []jose.JSONWebKey) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range append([]*keySet{p.keys}, p.retired...) {
		for _, key := range s.signing {
			keys = append(keys, key.Public())
		}
	}
	return keys
}
