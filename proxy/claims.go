package proxy

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// setting is a header that a route sets.
type setting struct {
	name     string
	template headerTemplate
}

// newSettings compiles the headers of a route, in the order of their names.
func newSettings(headers map[string]string) ([]setting, error) {
	var out []setting
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		canonical := http.CanonicalHeaderKey(name)
		if !headerToken(name) || reservedHeader(canonical) {
			return nil, fmt.Errorf("header %q cannot be set", name)
		}
		t, err := parseTemplate(headers[name])
		if err != nil {
			return nil, fmt.Errorf("header %s: %w", name, err)
		}
		out = append(out, setting{canonical, t})
	}
	return out, nil
}

// maxPromised bounds what a route's headers take together, in bytes. Servers take 8 to 64 KiB
// of header in all.
const maxPromised = 64 << 10

// promise works out the values of the headers that the route sets, in the order of rt.sets;
// empty: the header is not sent. Without a session there are no claims, and what is written
// of them is not sent. It fails if they are more than any server takes: a user in thousands
// of groups would else meet a different riddle at every upstream.
func (rt *route) promise(x *exchange) error {
	if x.bearer || len(rt.sets) == 0 && x.proof == "" {
		return nil
	}
	var claims map[string]any
	if x.state != nil {
		claims = x.state.Grant.Claims
	}
	size := len(x.proof)
	x.promises = make([]string, len(rt.sets))
	for i, s := range rt.sets {
		if value, ok := s.template.expand(claims); ok {
			x.promises[i] = value
			size += len(s.name) + len(value)
		}
	}
	if size > maxPromised {
		return &Problem{
			Code: GatewayMisconfigured, Detail: "The headers for this application are too large.",
			Err: fmt.Errorf("proxy: the headers that route %s sets of this user's claims take %d bytes, and %d are the most: set smaller claims, or have the provider filter them", rt.Path, size, maxPromised),
		}
	}
	return nil
}

// headerTemplate is a header value with claims in it: literal text, and between braces the
// path to a claim.
//
//	{claims.sub}                          a claim
//	{claims.address.country}              a claim within a claim
//	{claims["https://example.com/roles"]} a claim with a name of any kind
//	tenant-{claims.org_id}                with text around
//
// Two opening braces stand for one. A list is joined with commas; a percent sign, a comma
// and what cannot stand in a header are percent-encoded inside a list's elements, so that
// a group named "a,b" does not become two. In a value that is no list only the latter are.
// If a claim is missing, the header is not sent at all.
type headerTemplate []piece

// piece is literal text, or the path to a claim.
type piece struct {
	text  string
	claim []string
}

// parseTemplate reads a template.
func parseTemplate(s string) (headerTemplate, error) {
	var t headerTemplate
	var text strings.Builder
	for s != "" {
		i := strings.IndexByte(s, '{')
		if i < 0 {
			text.WriteString(s)
			break
		}
		text.WriteString(s[:i])
		if s = s[i+1:]; strings.HasPrefix(s, "{") {
			text.WriteByte('{')
			s = s[1:]
			continue
		}
		path, rest, err := parseClaim(s)
		if err != nil {
			return nil, err
		}
		if text.Len() > 0 {
			t = append(t, piece{text: text.String()})
			text.Reset()
		}
		t, s = append(t, piece{claim: path}), rest
	}
	if text.Len() > 0 {
		t = append(t, piece{text: text.String()})
	}
	for _, p := range t {
		if escaped(p.text, "") != p.text {
			return nil, fmt.Errorf("%q has characters that no header may have", p.text)
		}
	}
	return t, nil
}

// parseClaim reads what follows an opening brace, up to the closing one.
func parseClaim(s string) (path []string, rest string, err error) {
	s, ok := strings.CutPrefix(s, "claims")
	if !ok {
		return nil, "", fmt.Errorf("a template is {claims.name} or {claims[\"name\"]}, and {{ is one brace")
	}
	for s != "" {
		switch {
		case s[0] == '}' && len(path) > 0:
			return path, s[1:], nil
		case strings.HasPrefix(s, `["`):
			name, after, ok := strings.Cut(s[2:], `"]`)
			if !ok || name == "" {
				return nil, "", fmt.Errorf("a claim's name in brackets ends with \"]")
			}
			path, s = append(path, name), after
		case s[0] == '.':
			i := strings.IndexAny(s[1:], `.[}`)
			if i <= 0 {
				return nil, "", fmt.Errorf("a claim's name is missing after the dot, or a closing brace")
			}
			path, s = append(path, s[1:i+1]), s[i+1:]
		default:
			return nil, "", fmt.Errorf("a template is {claims.name} or {claims[\"name\"]}")
		}
	}
	return nil, "", fmt.Errorf("a closing brace is missing")
}

// expand returns the header's value, or false if a claim is missing.
func (t headerTemplate) expand(claims map[string]any) (string, bool) {
	if len(t) == 1 && t[0].claim == nil {
		return t[0].text, true
	}
	var b strings.Builder
	for _, p := range t {
		if p.claim == nil {
			b.WriteString(p.text)
			continue
		}
		value, ok := lookup(claims, p.claim)
		if !ok {
			return "", false
		}
		b.WriteString(value)
	}
	// Spaces at the ends are no part of a header's value (RFC 9110 §5.5).
	value := strings.TrimSpace(b.String())
	return value, value != ""
}

// lookup returns a claim as a header writes it.
func lookup(claims map[string]any, path []string) (string, bool) {
	var value any = claims
	for _, name := range path {
		object, ok := value.(map[string]any)
		if !ok {
			return "", false
		}
		if value, ok = object[name]; !ok {
			return "", false
		}
	}
	elements, ok := value.([]any)
	if !ok {
		s, ok := scalar(value)
		return escaped(s, ""), ok
	}
	out := make([]string, 0, len(elements))
	for _, e := range elements {
		s, ok := scalar(e)
		if !ok {
			return "", false
		}
		out = append(out, escaped(s, ",%"))
	}
	return strings.Join(out, ","), len(out) > 0
}

// scalar writes a claim that is no list: text as it is, numbers and truth values as JSON
// has them, an object as JSON.
func scalar(value any) (string, bool) {
	switch v := value.(type) {
	case nil:
		return "", false
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	}
	b, err := json.Marshal(value)
	return string(b), err == nil
}

// escaped percent-encodes control characters and the characters in also. A claim is often
// the user's own text: with a line break in it, it could add a header.
func escaped(s, also string) string {
	clean := func(c byte) bool { return c >= ' ' && c != 0x7f && strings.IndexByte(also, c) < 0 }
	for i := range len(s) {
		if !clean(s[i]) {
			goto encode
		}
	}
	return s
encode:
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; clean(c) {
			b.WriteByte(c)
		} else {
			b.Write([]byte{'%', hex[c>>4], hex[c&15]})
		}
	}
	return b.String()
}
