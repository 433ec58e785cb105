package config

import (
	"maps"
	"slices"

	"github.com/cloakroom-bff/cloakroom/internal/secret"
)

// Signals says whose security events are taken; without an Issuer nobody's.
type Signals struct {
	Issuer        string
	Audience      []string    // empty: the client's id
	JWKSURL       string      // empty: the transmitter's metadata say where its keys are
	Authorization secret.Text // the whole header that a push must have; empty: none
	Events        map[string]SignalEffect
}

// SignalEffect is what a security event does to the sessions that it is about.
type SignalEffect string

// The effects of security events.
const (
	EndSessions     SignalEffect = "end"
	RefreshSessions SignalEffect = "refresh"
	IgnoreSignal    SignalEffect = "ignore"
)

// Effects returns what each event does that does something: by default, unless Events says
// otherwise. What tells of a lost account, credential or session ends; what tells of other
// claims or another assurance refreshes, so that the provider decides.
func (s *Signals) Effects() map[string]SignalEffect {
	effects := map[string]SignalEffect{
		"session-revoked": EndSessions, "sessions-revoked": EndSessions,
		"credential-change": EndSessions, "credential-compromise": EndSessions, "account-credential-change-required": EndSessions,
		"account-disabled": EndSessions, "account-purged": EndSessions,
		"token-claims-change": RefreshSessions, "assurance-level-change": RefreshSessions,
	}
	maps.Copy(effects, s.Events)
	return effects
}

// SignalEvents lists the events that an effect can be given to: those of CAEP and RISC that are
// about a user or a session.
func SignalEvents() []string {
	return []string{
		"session-revoked", "token-claims-change", "credential-change", "assurance-level-change", "device-compliance-change",
		"session-established", "session-presented", "risk-level-change",
		"account-credential-change-required", "account-purged", "account-disabled", "account-enabled", "identifier-changed",
		"identifier-recycled", "credential-compromise", "opt-in", "opt-out-initiated", "opt-out-cancelled", "opt-out-effective",
		"recovery-activated", "recovery-information-changed", "sessions-revoked",
	}
}

func (s *Signals) keys() group {
	return group{
		{"issuer", transmitter(&s.Issuer), "", "", "The transmitter, exactly as its events name it; empty: no events are taken."},
		{"audience", series[string]{&s.Audience, neededText, true}, []string{}, "", "What its events call this gateway; without any it is client_id."},
		{"jwks_url", endpoint(&s.JWKSURL), "", "", "Where the transmitter's keys are; empty: its metadata say so, below /.well-known/ssf-configuration."},
		{"authorization", secretText(&s.Authorization), "", "", "The whole Authorization header that it has to send, such as Bearer ${file:/run/secrets/signals}; empty: none."},
		{"events", table[SignalEffect]{&s.Events, func(to *SignalEffect) field { return oneOf(to, EndSessions, RefreshSessions, IgnoreSignal) }}, map[string]string{}, "", "What an event does in the place of its default: end, refresh or ignore, such as credential-change: refresh."},
	}
}

// transmitter is an issuer, or nobody.
func transmitter(s *string) field {
	needed := issuer(s).(scalar[string])
	read := needed.parse
	needed.parse = func(v string) (string, error) {
		if v == "" {
			return "", nil
		}
		return read(v)
	}
	return needed
}

func (r *reader) checkSignals(s *Signals) {
	const path = "signals."
	for _, key := range []struct {
		name string
		set  bool
	}{
		{"audience", len(s.Audience) > 0},
		{"jwks_url", s.JWKSURL != ""},
		{"authorization", !s.Authorization.IsZero()},
		{"events", len(s.Events) > 0},
	} {
		if key.set && s.Issuer == "" && r.sound(path+"issuer", path+key.name) {
			r.problem(path+key.name, "counts for nothing without signals.issuer: write the transmitter's issuer, too")
		}
	}
	r.checkTwice(path+"audience", s.Audience)
	for _, name := range sortedKeys(s.Events) {
		if slices.Contains(SignalEvents(), name) {
			continue
		}
		if near := nearest(name, SignalEvents()); near != "" {
			r.problem(path+"events."+name, "is no event that is known here: did you mean %s?", near)
		} else {
			r.problem(path+"events."+name, "is no event that is known here: write the last part of its URI, such as session-revoked")
		}
	}
}
