package proxy

import (
	"encoding/base64"
	"iter"
	"strings"

	"github.com/cloakroom-bff/cloakroom/internal/oidc"
)

// refusesToken reports whether the challenges of a 401 (RFC 9110 §11.6.1) say that the token
// is no good: invalid_token, or a challenge of its scheme without an error (RFC 6750 §3.1,
// RFC 9449 §7.1). Any other error, such as insufficient_user_authentication (RFC 9470 §3), is about
// something that a fresh token does not mend.
func refusesToken(challenges []string, scheme string) bool {
	refused := false
	for c := range challengesOf(challenges, scheme) {
		if c.code != "" && c.code != "invalid_token" {
			return false
		}
		refused = true
	}
	return refused
}

// wantsProof reports whether the challenges of a 401 refuse the proof that came with a token,
// and not the token: it lacks the server's nonce, which is at hand, or is no good (RFC 9449
// §7.1, §9).
func wantsProof(challenges []string, nonce string) bool {
	for c := range challengesOf(challenges, "DPoP") {
		if c.code == "invalid_dpop_proof" || c.code == "use_dpop_nonce" && nonce != "" {
			return true
		}
	}
	return false
}

// scheme is how the request's token is presented (RFC 6750 §2.1, RFC 9449 §7.1).
func (x *exchange) scheme() string {
	if x.key != "" {
		return "DPoP"
	}
	return "Bearer"
}

// demanded is what the challenges of a 401 want another login to bring: how and when the
// user signed in (RFC 9470 §3), or, where claims says that the APIs of the provider do so,
// claims of its own. It is nil if they want nothing, or nothing that a login can be asked
// for.
func demanded(challenges []string, scheme string, claims bool) map[string]string {
	for c := range challengesOf(challenges, scheme) {
		switch {
		case c.code == "insufficient_user_authentication":
			return oidc.Demand(c.acrValues, c.maxAge, "")
		case c.code == "insufficient_claims" && claims:
			return oidc.Demand("", "", plainClaims(c.claims))
		}
	}
	return nil
}

// plainClaims is the JSON of a claims parameter, which Entra ID encodes in base64.
func plainClaims(s string) string {
	if decoded, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(s, "=")); err == nil {
		return string(decoded)
	}
	return s
}

// challenge is one challenge, with those of its parameters that mean something here.
type challenge struct{ scheme, code, acrValues, maxAge, claims string }

// set takes a parameter over. Names are compared without case.
func (c *challenge) set(name, value string) {
	switch strings.ToLower(name) {
	case "error":
		c.code = value
	case "acr_values":
		c.acrValues = value
	case "max_age":
		c.maxAge = value
	case "claims":
		c.claims = value
	}
}

// challengesOf are the challenges of a scheme, line by line.
func challengesOf(lines []string, scheme string) iter.Seq[challenge] {
	return func(yield func(challenge) bool) {
		for _, line := range lines {
			p := challengeParser{line}
			for c, ok := p.next(); ok; c, ok = p.next() {
				if strings.EqualFold(c.scheme, scheme) && !yield(c) {
					return
				}
			}
		}
	}
}

// challengeParser reads challenges one by one. Between them stand commas, and so they do
// between the parameters of one: what follows a comma is a parameter if it has an equals
// sign behind its name, else the next scheme.
type challengeParser struct{ rest string }

// next returns the next challenge; ok is false at the end, and where the line makes no
// sense.
func (p *challengeParser) next() (c challenge, ok bool) {
	p.skip(" \t,")
	if c.scheme = p.token(); c.scheme == "" {
		return c, false
	}
	for {
		p.skip(" \t,")
		before := p.rest
		name := p.token()
		p.skip(" \t")
		if name == "" || !strings.HasPrefix(p.rest, "=") {
			// The next scheme, the end, or a token68, of which nobody here knows.
			p.rest = before
			return c, true
		}
		p.rest = p.rest[1:]
		p.skip(" \t")
		c.set(name, p.value())
	}
}

func (p *challengeParser) skip(chars string) { p.rest = strings.TrimLeft(p.rest, chars) }

// token takes a token (RFC 9110 §5.6.2), "" if there is none.
func (p *challengeParser) token() string {
	n := 0
	for n < len(p.rest) && headerToken(p.rest[n:n+1]) {
		n++
	}
	token := p.rest[:n]
	p.rest = p.rest[n:]
	return token
}

// value takes a token or a quoted string.
func (p *challengeParser) value() string {
	if !strings.HasPrefix(p.rest, `"`) {
		return p.token()
	}
	var b strings.Builder
	for i := 1; i < len(p.rest); i++ {
		switch c := p.rest[i]; {
		case c == '"':
			p.rest = p.rest[i+1:]
			return b.String()
		case c == '\\' && i+1 < len(p.rest):
			i++
			b.WriteByte(p.rest[i])
		default:
			b.WriteByte(c)
		}
	}
	p.rest = ""
	return b.String()
}
