package oidc

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
)

// farthest is the longest lifetime that is told apart from others. Far above any
// session's, far below what a time.Duration overflows at.
const farthest = 10 * 365 * 24 * time.Hour

// expiry is the end of an access token that was asked for at issued, the moment before the
// request was sent. A lifetime of less than a second, or below zero (a provider whose
// clock is wrong), gives issued itself: those who wait for this token may use it, but it
// is due. Zero means that no end is known.
func expiry(a *answer, issued time.Time) time.Time {
	if life, ok := lifetime(a.members["expires_in"]); ok {
		return issued.Add(life)
	}
	exp, ok := jwtClaims(a.text("access_token")).time("exp")
	switch {
	case !ok:
		return time.Time{}
	case exp.Before(issued):
		return issued
	case exp.After(issued.Add(farthest)):
		return issued.Add(farthest)
	}
	return exp
}

// lifetime reads expires_in: a number, or a string that holds one, in seconds, rounded
// down. Anything else is no lifetime.
func lifetime(raw json.RawMessage) (time.Duration, bool) {
	text := string(raw)
	var quoted string
	if json.Unmarshal(raw, &quoted) == nil && text != "null" {
		text = strings.TrimSpace(quoted)
	}
	var number json.Number // refuses what ParseFloat takes beyond JSON: NaN, Inf, 0x1p4
	if json.Unmarshal([]byte(text), &number) != nil || number == "" || strings.HasPrefix(text, `"`) {
		return 0, false
	}
	seconds, err := strconv.ParseFloat(string(number), 64)
	switch {
	case err != nil && !errors.Is(err, strconv.ErrRange):
		return 0, false
	case seconds >= farthest.Seconds():
		return farthest, true
	case seconds < 1:
		return 0, true
	}
	return time.Duration(math.Floor(seconds)) * time.Second, true
}

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
