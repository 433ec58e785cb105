package oidc

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"time"
)

// claims are the claims of a JWT; numbers are json.Number.
type claims map[string]any

// jwtClaims reads the claims of a token that happens to be a JWT, unverified: hints, on
// which nothing but a plan may rest. nil if it is none.
func jwtClaims(token string) claims {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return nil
	}
	c, err := readClaims(payload)
	if err != nil {
		return nil
	}
	return c
}

// readClaims reads a JSON object.
func readClaims(payload []byte) (claims, error) {
	dec := json.NewDecoder(strings.NewReader(string(payload)))
	dec.UseNumber()
	var c claims
	if err := dec.Decode(&c); err != nil {
		return nil, err
	}
	if c == nil {
		return nil, errors.New("no JSON object")
	}
	return c, nil
}

// text returns a claim that is a string, else "".
func (c claims) text(name string) string {
	s, _ := c[name].(string)
	return s
}

// time returns a NumericDate (RFC 7519 §2), in whole seconds.
func (c claims) time(name string) (time.Time, bool) {
	number, ok := c[name].(json.Number)
	if !ok {
		return time.Time{}, false
	}
	const year9999 = 253402300799
	seconds, err := number.Float64()
	if err != nil || seconds < 0 || seconds > year9999 {
		return time.Time{}, false
	}
	return time.Unix(int64(seconds), 0), true
}

// list returns a claim that is a string or an array of strings; ok is false if it is
// something else. An absent claim is an empty list.
func (c claims) list(name string) (list []string, ok bool) {
	switch v := c[name].(type) {
	case nil:
		return nil, true
	case string:
		return []string{v}, true
	case []any:
		for _, e := range v {
			s, isText := e.(string)
			if !isText {
				return nil, false
			}
			list = append(list, s)
		}
		return list, true
	}
	return nil, false
}
