package clientkey

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/go-jose/go-jose/v4"
)

// Parse reads a file with private keys: PEM, where certificates may stand beside their keys,
// or a JSON Web Key or set of them (RFC 7517), whose alg chooses between RS256 and PS256. The
// error says what is wrong with which key, and nothing of what it holds.
func Parse(data []byte) (*Set, error) {
	var keys []*key
	var err error
	if text := bytes.TrimSpace(data); len(text) > 0 && text[0] == '{' {
		keys, err = parseJSON(text)
	} else {
		keys, err = parsePEM(data)
	}
	if err != nil {
		return nil, fmt.Errorf("clientkey: %w", err)
	}
	if len(keys) == 0 {
		return nil, errors.New("clientkey: there is no private key in it: make one with `cloakroom keys client`")
	}
	return newSet(data, keys)
}

// parseJSON reads a JSON Web Key or a set.
func parseJSON(data []byte) (keys []*key, err error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if json.Unmarshal(data, &set) != nil {
		return nil, errors.New("it is no valid JSON")
	}
	if set.Keys == nil {
		set.Keys = []json.RawMessage{data}
	}
	for i, raw := range set.Keys {
		k, err := parseJWK(raw)
		if err != nil {
			return nil, fmt.Errorf("key %d %w", i+1, err)
		}
		keys = append(keys, k)
	}
	return keys, nil
}

// parseJWK reads one key. What the library finds wrong is not passed on: its errors may show
// members.
func parseJWK(raw json.RawMessage) (*key, error) {
	var read jose.JSONWebKey
	switch {
	case read.UnmarshalJSON(raw) != nil, !read.Valid():
		return nil, errors.New("is no JSON Web Key that can be read: see its kty, crv and members")
	case read.Use != "" && read.Use != "sig":
		return nil, fmt.Errorf("has the use %q: write sig", read.Use)
	case read.IsPublic():
		return nil, errors.New("is a public key: the file is for private ones")
	}
	k, err := newKey(read.Key, read.KeyID, read.Algorithm)
	if err != nil {
		return nil, err
	}
	if len(read.Certificates) > 0 {
		if !owns(k.private, read.Certificates[0]) {
			return nil, errors.New("has the certificate (x5c) of another key")
		}
		k.chain = read.Certificates
	}
	return k, nil
}

// parsePEM reads keys and certificates in any order. Behind the certificate of a key stands
// the rest of its chain.
func parsePEM(data []byte) (keys []*key, err error) {
	var certificates []*x509.Certificate
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "CERTIFICATE" {
			c, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				return nil, fmt.Errorf("certificate %d cannot be read: %w", len(certificates)+1, err)
			}
			certificates = append(certificates, c)
			continue
		}
		private, err := parseBlock(block)
		if err != nil {
			return nil, fmt.Errorf("key %d %w", len(keys)+1, err)
		}
		if private == nil {
			continue
		}
		k, err := newKey(private, "", "")
		if err != nil {
			return nil, fmt.Errorf("key %d %w", len(keys)+1, err)
		}
		keys = append(keys, k)
	}
	return keys, hand(certificates, keys)
}

// parseBlock reads a private key, nil if the block holds nothing of the kind.
func parseBlock(block *pem.Block) (private any, err error) {
	switch {
	case block.Type == "ENCRYPTED PRIVATE KEY", block.Headers["DEK-Info"] != "":
		return nil, errors.New("is encrypted, and there is nobody to ask for the passphrase: write it out with `openssl pkey`, readable for the gateway alone")
	case block.Type == "EC PARAMETERS":
		return nil, nil
	case block.Type == "PRIVATE KEY":
		private, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case block.Type == "RSA PRIVATE KEY":
		private, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case block.Type == "EC PRIVATE KEY":
		private, err = x509.ParseECPrivateKey(block.Bytes)
	default:
		return nil, fmt.Errorf("is %q: the file is for private keys and certificates", block.Type)
	}
	if err != nil {
		return nil, errors.New("is no private key that can be read: make it an RSA key, one on P-256 or an Ed25519 key")
	}
	return private, nil
}

// hand gives each certificate to its key, and those that are no key's to the one before.
func hand(certificates []*x509.Certificate, keys []*key) error {
	var owner *key
	for i, c := range certificates {
		for _, k := range keys {
			if k.chain == nil && owns(k.private, c) {
				owner = k
				break
			}
		}
		if owner == nil {
			return fmt.Errorf("certificate %d (%s) is of no key in the file: put its private key beside it", i+1, c.Subject)
		}
		owner.chain = append(owner.chain, c)
	}
	return nil
}

// owns reports whether a certificate is about a key.
func owns(private crypto.Signer, c *x509.Certificate) bool {
	public, ok := private.Public().(interface{ Equal(crypto.PublicKey) bool })
	return ok && public.Equal(c.PublicKey)
}
