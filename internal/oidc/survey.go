package oidc

import (
	"cmp"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// DiscoveryAddress is where the provider's metadata are: below the issuer, whose slash at
// the end is not doubled (OpenID Connect Discovery 1.0 §4.1), unless DiscoveryURL says
// otherwise.
func (c *Config) DiscoveryAddress() string {
	return cmp.Or(c.DiscoveryURL, strings.TrimSuffix(c.Issuer, "/")+"/.well-known/openid-configuration")
}

// SigningAlgorithms returns the algorithms, of those that an ID token may be signed with,
// for which a key set (RFC 7517 §5) has a key. The error says that it has none.
func SigningAlgorithms(keySet []byte) ([]string, error) {
	keys, err := readKeys(keySet)
	if err != nil {
		return nil, err
	}
	var algs []string
	for _, alg := range algorithms() {
		header := jose.Header{Algorithm: alg}
		if slices.ContainsFunc(keys, func(k jose.JSONWebKey) bool { return fits(k, header) }) {
			algs = append(algs, alg)
		}
	}
	return algs, nil
}
