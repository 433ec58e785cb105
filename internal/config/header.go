package config

import (
	"errors"
	"net/textproto"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/secret"
)

// claimPattern is what stands between braces in a header's value, without the first one.
var claimPattern = regexp.MustCompile(`^claims(?:\.[^.\[}]+|\["(?:[^"]|"[^\]])+"\])+\}`)

// headerValue is a template: text with claims in it. A value may be a key for the
// upstream, so it is a secret; and a key with a brace in it is no template.
func headerValue(t *secret.Text) field {
	f := secretText(t).(scalar[secret.Text])
	f.escape = func(part string) string { return strings.ReplaceAll(part, "{", "{{") }
	read := f.parse
	f.parse = func(v string) (secret.Text, error) {
		for rest := v; ; {
			_, after, found := strings.Cut(rest, "{")
			if !found {
				return read(v)
			}
			if strings.HasPrefix(after, "{") {
				rest = after[1:]
				continue
			}
			claim := claimPattern.FindString(after)
			if claim == "" {
				return secret.Text{}, errors.New(`has a brace that begins no claim: write {claims.name} or {claims["name"]}, and {{ for a plain brace`)
			}
			rest = after[len(claim):]
		}
	}
	return f
}

// namesClaims reports whether a template speaks of the user.
func namesClaims(template string) bool {
	return strings.Contains(strings.ReplaceAll(template, "{{", ""), "{claims")
}

// twin is the name that servers which make HTTP_X_USER of headers cannot tell from name:
// X-User for X_User, and for X~User with some.
func twin(name string) string {
	return textproto.CanonicalMIMEHeaderKey(strings.Map(func(c rune) rune {
		if c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' {
			return c
		}
		return '-'
	}, name))
}

// ownedHeader reports whether a header is the gateway's or the connection's, and no
// route's.
func ownedHeader(name string) bool {
	name = twin(name)
	switch name {
	case "Host", "Connection", "Keep-Alive", "Te", "Trailer", "Transfer-Encoding", "Upgrade", "Content-Length",
		"Cookie", "Authorization", "Dpop", "Forwarded", "Via", "X-Real-Ip", "Http2-Settings":
		return true
	}
	for _, family := range []string{"Proxy-", "X-Forwarded-", "Cloakroom-"} {
		if strings.HasPrefix(name, family) {
			return true
		}
	}
	return false
}

// maxAge is a number of seconds, as the parameter of that name has it, or a duration.
func maxAge(d *time.Duration) field {
	f := scalar[time.Duration]{to: d, shape: object{"type": []any{"string", "integer"}, "minimum": 0}}
	f.parse = func(v string) (time.Duration, error) {
		if n, err := strconv.ParseUint(v, 10, 31); err == nil {
			return time.Duration(n) * time.Second, nil
		}
		parsed, err := time.ParseDuration(v)
		if err != nil || parsed < 0 {
			return 0, errors.New("is no age: write seconds, or a duration such as 15m")
		}
		return parsed, nil
	}
	return f
}
