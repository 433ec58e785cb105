package oidc

import (
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
	seconds, ok := secondsOf(raw)
	switch {
	case !ok:
		return 0, false
	case seconds >= farthest.Seconds():
		return farthest, true
	case seconds <= 0:
		return 0, true
	}
	return time.Duration(math.Floor(seconds)) * time.Second, true
}

// secondsOf reads a number, or a string that holds one. It may be infinite.
func secondsOf(raw json.RawMessage) (seconds float64, ok bool) {
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
	return seconds, err == nil || errors.Is(err, strconv.ErrRange)
}
