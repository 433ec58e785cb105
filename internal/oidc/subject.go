package oidc

import (
	"errors"
	"fmt"
	"slices"

	"github.com/cloakroom-bff/cloakroom/session"
)

// subject is a subject identifier (RFC 9493), or a complex one (Shared Signals Framework 1.0
// §3.2).
type subject struct {
	format string

	iss, sub string    // of iss_sub
	email    string    // of email
	id       string    // of opaque
	aliases  []subject // of aliases: names of the same

	// Of complex; nil if it is not there. What else there may be, a device or a tenant, is
	// nothing that sessions here know of.
	user, session *subject
}

// readSubject reads a subject, simple or complex.
func readSubject(value any) (*subject, error) {
	c, err := subjectClaims(value)
	if err != nil {
		return nil, err
	}
	if c.text("format") != "complex" {
		return readIdentifier(c, true)
	}
	s := &subject{format: "complex"}
	if len(c) == 1 {
		return nil, errors.New("it is complex and has no member")
	}
	for name, member := range c {
		if name == "format" {
			continue
		}
		inner, err := subjectClaims(member)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", short(name), err)
		}
		id, err := readIdentifier(inner, true)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", short(name), err)
		}
		switch name {
		case "user":
			s.user = id
		case "session":
			s.session = id
		}
	}
	return s, nil
}

func subjectClaims(value any) (claims, error) {
	c, ok := value.(map[string]any)
	switch {
	case !ok:
		return nil, errors.New("it is no object")
	case claims(c).text("format") == "":
		return nil, errors.New("format is missing or no text")
	}
	return c, nil
}

// readIdentifier reads a simple subject. One of a format that is not known here is nobody.
func readIdentifier(c claims, mayAlias bool) (*subject, error) {
	s := &subject{format: c.text("format")}
	switch s.format {
	case "iss_sub":
		s.iss, s.sub = c.text("iss"), c.text("sub")
		return s, firstOf(c.says("iss"), c.says("sub"))
	case "email":
		s.email = c.text("email")
		return s, c.says("email")
	case "opaque":
		s.id = c.text("id")
		return s, c.says("id")
	case "complex":
		return nil, errors.New("a complex subject is inside of another")
	case "aliases":
		if !mayAlias {
			return nil, errors.New("aliases are inside of aliases")
		}
		return s, s.readAliases(c["identifiers"])
	}
	return s, nil
}

// mostAliases bounds the names of one subject.
const mostAliases = 16

func (s *subject) readAliases(value any) error {
	list, ok := value.([]any)
	if !ok || len(list) == 0 || len(list) > mostAliases {
		return fmt.Errorf("identifiers is no array of 1 to %d subjects", mostAliases)
	}
	for _, member := range list {
		c, err := subjectClaims(member)
		if err != nil {
			return err
		}
		id, err := readIdentifier(c, false)
		if err != nil {
			return err
		}
		s.aliases = append(s.aliases, *id)
	}
	return nil
}

// about returns the sessions that a subject of an event stands for. A complex subject is all
// that its members have in common, as far as sessions here know of them.
func (r *Receiver) about(s *subject, e *SecurityEvent) (words []session.Word) {
	switch {
	case s.format != "complex":
		words = r.users(s)
		if e.Name == "session-revoked" && s.format == "opaque" { // it may be a session's (CAEP 1.0 §3.1)
			words = append(words, r.providerSessions(s)...)
		}
	case s.session == nil && s.user != nil:
		words = r.users(s.user)
	case s.session != nil && s.user == nil:
		words = r.providerSessions(s.session)
	case s.session != nil:
		words = both(r.users(s.user), r.providerSessions(s.session))
	}
	for i := range words {
		words[i].At = e.At
	}
	return words
}

// both are the sessions that a word of a and one of b have in common.
func both(a, b []session.Word) (words []session.Word) {
	for _, of := range a {
		for _, in := range b {
			if of.Issuer == in.Issuer {
				of.ProviderSession = in.ProviderSession
				words = append(words, of)
			}
		}
	}
	return words
}

// users are the sessions of a user. An opaque id is the user's name at the provider.
func (r *Receiver) users(s *subject) (words []session.Word) {
	switch s.format {
	case "iss_sub":
		if issuer, ours := r.provider.filedUnder(s.iss); ours {
			words = append(words, session.Word{Issuer: issuer, Subject: s.sub})
		}
	case "email":
		for _, issuer := range r.provider.Filed() {
			words = append(words, session.Word{Issuer: issuer, Email: s.email})
		}
	case "opaque":
		for _, issuer := range r.provider.Filed() {
			words = append(words, session.Word{Issuer: issuer, Subject: s.id})
		}
	case "aliases":
		for _, alias := range s.aliases {
			words = append(words, r.users(&alias)...)
		}
	}
	return words
}

// providerSessions are the sessions that came out of one at the provider: its sid.
func (r *Receiver) providerSessions(s *subject) (words []session.Word) {
	switch s.format {
	case "iss_sub":
		if issuer, ours := r.provider.filedUnder(s.iss); ours {
			words = append(words, session.Word{Issuer: issuer, ProviderSession: s.sub})
		}
	case "opaque":
		for _, issuer := range r.provider.Filed() {
			words = append(words, session.Word{Issuer: issuer, ProviderSession: s.id})
		}
	case "aliases":
		for _, alias := range s.aliases {
			words = append(words, r.providerSessions(&alias)...)
		}
	}
	return words
}

// filedUnder returns what the grants of an issuer's users are filed under. ours is false if
// it is none of the provider's. It needs no metadata: events come while the provider is away,
// too.
func (c *Client) filedUnder(iss string) (name string, ours bool) {
	switch {
	case len(c.cfg.Issuers.Tenants) > 0:
		return iss, c.cfg.isTenant(iss)
	case c.cfg.AnnouncedAs(iss), slices.Contains(c.cfg.Issuers.Also, iss):
		return c.cfg.name(), true
	}
	return "", false
}
