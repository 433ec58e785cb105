package app

import (
	"maps"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

// filter chooses sessions, by all that it names. The zero value chooses all.
type filter struct {
	issuer, subject string
	providerSession string // the sid claim of the login's ID token
	client          string // at the provider
	browser, system string // families; letter case plays no part
	address         netip.Prefix

	minAge, maxAge   time.Duration // since the session began; zero: no bound
	minIdle, maxIdle time.Duration // since it was last used; zero: no bound

	asked url.Values // what it was read from
}

// readFilter reads a filter from a query. A parameter that is unknown, empty or there
// twice is an error: to pass over it would choose more sessions than were meant.
func readFilter(query url.Values) (filter, error) {
	f := filter{asked: query}
	for _, name := range slices.Sorted(maps.Keys(query)) {
		value, err := single(query, name)
		if err == nil {
			err = f.read(name, value)
		}
		if err != nil {
			return filter{}, err
		}
	}
	return f, nil
}

// single is the one value of a parameter, "" if it is not there.
func single(query url.Values, name string) (string, error) {
	switch values := query[name]; {
	case len(values) == 0:
		return "", nil
	case len(values) > 1:
		return "", badRequest("%s stands in the query twice.", name)
	case values[0] == "":
		return "", badRequest("%s is empty: give it a value, or leave it out.", name)
	default:
		return values[0], nil
	}
}

func (f *filter) read(name, value string) (err error) {
	texts := map[string]*string{
		"issuer": &f.issuer, "subject": &f.subject, "provider_session": &f.providerSession,
		"client": &f.client, "browser": &f.browser, "system": &f.system,
	}
	spans := map[string]*time.Duration{"min_age": &f.minAge, "max_age": &f.maxAge, "min_idle": &f.minIdle, "max_idle": &f.maxIdle}
	switch {
	case texts[name] != nil:
		*texts[name] = value
	case spans[name] != nil:
		if *spans[name], err = time.ParseDuration(value); err != nil || *spans[name] <= 0 {
			return badRequest("%s is %q: write a time such as 90m or 24h.", name, value)
		}
	case name == "address":
		if f.address, err = readNetwork(value); err != nil {
			return badRequest("address is %q: write an address or a network, such as 192.0.2.7 or 192.0.2.0/24.", value)
		}
	default:
		known := slices.Sorted(maps.Keys(texts))
		known = append(append(known, "address"), slices.Sorted(maps.Keys(spans))...)
		return badRequest("There is no parameter %q. Sessions are chosen by %s.", name, strings.Join(known, ", "))
	}
	return nil
}

// readNetwork reads a network, or an address as the network of itself.
func readNetwork(text string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(text); err == nil {
		addr = addr.Unmap().WithZone("")
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	return netip.ParsePrefix(text)
}

// chooses reports whether the filter chooses a session at now.
func (f *filter) chooses(s *sessionInfo, now time.Time) bool {
	age, idle := now.Sub(s.Created), now.Sub(s.LastSeen)
	switch {
	case f.issuer != "" && f.issuer != s.Issuer,
		f.subject != "" && f.subject != s.Subject,
		f.client != "" && f.client != s.Client,
		f.browser != "" && !strings.EqualFold(f.browser, s.Browser),
		f.system != "" && !strings.EqualFold(f.system, s.System),
		f.minAge != 0 && age < f.minAge,
		f.maxAge != 0 && age > f.maxAge,
		f.minIdle != 0 && idle < f.minIdle,
		f.maxIdle != 0 && idle > f.maxIdle:
		return false
	}
	if !f.address.IsValid() {
		return true
	}
	kept, err := netip.ParsePrefix(s.Address)
	return err == nil && f.address.Overlaps(kept)
}

// narrow reports whether the filter chooses one person's sessions at most.
func (f *filter) narrow() bool { return f.subject != "" || f.providerSession != "" }

// String is the filter for the audit log. Who knows a provider session can end it at the
// front-channel logout, so that stays out.
func (f *filter) String() string {
	shown := maps.Clone(f.asked)
	if f.providerSession != "" {
		shown["provider_session"] = []string{"(named)"}
	}
	return shown.Encode()
}
