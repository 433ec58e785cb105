package proxy

import "strings"

// refusesToken reports whether the challenges of a 401 (RFC 9110 §11.6.1) say that the
// bearer token is no good: invalid_token, or a Bearer challenge without an error (RFC 6750
// §3.1). Any other error, such as insufficient_user_authentication (RFC 9470 §3), is about
// something that a fresh token does not mend.
func refusesToken(challenges []string) bool {
	refused := false
	for _, line := range challenges {
		p := challengeParser{line}
		for {
			scheme, code, ok := p.next()
			if !ok {
				break
			}
			if !strings.EqualFold(scheme, "Bearer") {
				continue
			}
			if code != "" && code != "invalid_token" {
				return false
			}
			refused = true
		}
	}
	return refused
}

// challengeParser reads challenges one by one. Between them stand commas, and so they do
// between the parameters of one: what follows a comma is a parameter if it has an equals
// sign behind its name, else the next scheme.
type challengeParser struct{ rest string }

// next returns the scheme of the next challenge and its error parameter; ok is false at the
// end, and where the line makes no sense.
func (p *challengeParser) next() (scheme, code string, ok bool) {
	p.skip(" \t,")
	if scheme = p.token(); scheme == "" {
		return "", "", false
	}
	for {
		p.skip(" \t,")
		before := p.rest
		name := p.token()
		p.skip(" \t")
		if name == "" || !strings.HasPrefix(p.rest, "=") {
			// The next scheme, the end, or a token68, of which nobody here knows.
			p.rest = before
			return scheme, code, true
		}
		p.rest = p.rest[1:]
		p.skip(" \t")
		if value := p.value(); strings.EqualFold(name, "error") {
			code = value
		}
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
