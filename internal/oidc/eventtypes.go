package oidc

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// EventNames lists the events that are known here by the last part of their URI: those of
// CAEP 1.0, of RISC 1.0, and of the framework itself.
func EventNames() []string {
	var names []string
	for _, f := range eventFamilies() {
		names = append(names, f.names...)
	}
	return names
}

// family is a set of event types with a common URI.
type family struct {
	prefix string
	names  []string
}

func eventFamilies() []family {
	return []family{
		{"https://schemas.openid.net/secevent/caep/event-type/", []string{
			"session-revoked", "token-claims-change", "credential-change", "assurance-level-change", "device-compliance-change",
			"session-established", "session-presented", "risk-level-change",
		}},
		{"https://schemas.openid.net/secevent/risc/event-type/", []string{
			"account-credential-change-required", "account-purged", "account-disabled", "account-enabled", "identifier-changed",
			"identifier-recycled", "credential-compromise", "opt-in", "opt-out-initiated", "opt-out-cancelled", "opt-out-effective",
			"recovery-activated", "recovery-information-changed", "sessions-revoked",
		}},
		{"https://schemas.openid.net/secevent/ssf/event-type/", []string{"verification", "stream-updated"}},
	}
}

// eventName is the name of a known type, empty for any other.
func eventName(uri string) string {
	for _, f := range eventFamilies() {
		if name, ok := strings.CutPrefix(uri, f.prefix); ok && slices.Contains(f.names, name) {
			return name
		}
	}
	return ""
}

// isStreamEvent reports whether an event is about the stream of events itself; its subject is
// the stream's id.
func isStreamEvent(name string) bool { return name == "verification" || name == "stream-updated" }

// isGoodNews reports whether an event says that a trouble is over, which concerns no session.
func isGoodNews(name string, payload claims) bool {
	return name == "device-compliance-change" && payload.text("current_status") == "compliant"
}

// conform checks what the definition of an event demands of its members. What is not
// understood is passed over.
func (c claims) conform(name string) error {
	switch name {
	case "token-claims-change":
		if _, ok := c["claims"].(map[string]any); !ok {
			return errors.New("claims is missing or no object")
		}
	case "credential-change":
		return firstOf(c.says("credential_type"), c.says("change_type", "create", "revoke", "update", "delete"))
	case "credential-compromise":
		return c.says("credential_type")
	case "assurance-level-change":
		return firstOf(c.says("namespace"), c.says("current_level"), c.maySay("change_direction", "increase", "decrease"))
	case "device-compliance-change":
		return firstOf(c.says("previous_status"), c.says("current_status", "compliant", "not-compliant"))
	case "stream-updated":
		return c.says("status")
	case "verification":
		return c.maySay("state")
	}
	return nil
}

// says demands a member that is a text, one of those given if there are some.
func (c claims) says(name string, oneOf ...string) error {
	text := c.text(name)
	switch {
	case text == "":
		return fmt.Errorf("%s is missing or no text", name)
	case len(oneOf) > 0 && !slices.Contains(oneOf, text):
		return fmt.Errorf("%s is %q, none of %s", name, short(text), strings.Join(oneOf, ", "))
	}
	return nil
}

// maySay is says for a member that need not be there.
func (c claims) maySay(name string, oneOf ...string) error {
	if _, there := c[name]; !there {
		return nil
	}
	return c.says(name, oneOf...)
}
