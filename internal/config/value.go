package config

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/secret"
)

// Rate is how often something may happen.
type Rate struct {
	Count int
	Per   time.Duration
}

// PerSecond is the rate as a number of times in a second.
func (r Rate) PerSecond() float64 {
	if r.Per == 0 {
		return 0
	}
	return float64(r.Count) / r.Per.Seconds()
}

// The functions here read a scalar. An error goes on where the value was shown, such as
// "ten" + " is no duration: …", and does not repeat it: it might be a secret.

func anyText(s *string) field {
	return scalar[string]{to: s, shape: object{"type": "string"}, parse: func(v string) (string, error) {
		if strings.ContainsFunc(v, func(c rune) bool { return c < ' ' || c == 0x7f }) {
			return "", errors.New("has a control character: take it out")
		}
		return v, nil
	}}
}

func neededText(s *string) field {
	return checked(anyText(s), func(v string) error {
		if strings.TrimSpace(v) == "" {
			return errors.New("is empty: write what the provider gave")
		}
		return nil
	})
}

// claimName is the name of a claim, whatever the provider calls it.
func claimName(s *string) field {
	return checked(anyText(s), func(v string) error {
		if v == "" {
			return errors.New("is empty: write the name of a claim, such as session_expiry")
		}
		return nil
	})
}

// checked adds a rule to a text.
func checked(f field, rule func(string) error) field {
	s := f.(scalar[string])
	before := s.parse
	s.parse = func(v string) (string, error) {
		out, err := before(v)
		if err == nil {
			err = rule(v)
		}
		return out, err
	}
	return s
}

func secretText(t *secret.Text) field {
	return scalar[secret.Text]{to: t, secret: true, shape: object{"type": "string"}, parse: func(v string) (secret.Text, error) {
		if strings.ContainsFunc(v, func(c rune) bool { return c < ' ' || c == 0x7f }) {
			return secret.Text{}, errors.New("has a control character or a line break: write the secret alone")
		}
		return secret.New(v), nil
	}}
}

func truthValue(b *bool) field {
	return scalar[bool]{to: b, shape: object{"type": "boolean"}, parse: func(v string) (bool, error) {
		switch v {
		case "true", "false":
			return v == "true", nil
		}
		return false, errors.New("is neither true nor false: write one of them")
	}}
}

// inverted is a truth value that the Config keeps as its opposite, so that the zero value
// is the default.
func inverted(b *bool) field {
	f := truthValue(b).(scalar[bool])
	read := f.parse
	f.parse = func(v string) (bool, error) {
		is, err := read(v)
		return !is, err
	}
	return f
}

func count(n *int, least int) field {
	return scalar[int]{to: n, shape: object{"type": "integer", "minimum": least}, parse: func(v string) (int, error) {
		i, err := strconv.Atoi(v)
		switch {
		case err != nil:
			return 0, fmt.Errorf("is no whole number: write %d or more", least)
		case i < least:
			return 0, fmt.Errorf("is too small: write %d or more", least)
		}
		return i, nil
	}}
}

// oneOf is one of a few words.
func oneOf[T ~string](s *T, words ...T) field {
	all := make([]any, len(words))
	for i, w := range words {
		all[i] = string(w)
	}
	return scalar[T]{to: s, shape: object{"type": "string", "enum": all}, parse: func(v string) (T, error) {
		if slices.Contains(words, T(v)) {
			return T(v), nil
		}
		list := make([]string, len(words))
		for i, w := range words {
			list[i] = string(w)
		}
		if near := nearest(v, list); near != "" {
			return "", fmt.Errorf("is not known: did you mean %s?", near)
		}
		return "", fmt.Errorf("is not known: write %s", orList(list))
	}}
}

// orList writes "a, b or c".
func orList(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}

func logLevel(l *slog.Level) field {
	f := scalar[slog.Level]{to: l, shape: object{"type": "string", "enum": []any{"debug", "info", "warn", "error"}}}
	f.parse = func(v string) (slog.Level, error) {
		levels := map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError}
		if level, ok := levels[v]; ok {
			return level, nil
		}
		return 0, errors.New("is no level: write debug, info, warn or error")
	}
	return f
}

// csrf is off for one word only.
func csrf(insecureOff *bool) field {
	shape := object{"enum": []any{"on", true, "insecure_off"}}
	return scalar[bool]{to: insecureOff, shape: shape, parse: func(v string) (bool, error) {
		switch v {
		case "on", "true", "yes":
			return false, nil
		case "insecure_off":
			return true, nil
		case "off", "false", "no":
			return false, errors.New("would let any site use the route with the browser's session: if that is meant, write insecure_off")
		}
		return false, errors.New("is not known: write on or insecure_off")
	}}
}

// duration is a length of time in (0, most]; none is longer than Go can say.
func duration(d *time.Duration, most time.Duration) field {
	shape := object{"type": "string", "pattern": `^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`}
	return scalar[time.Duration]{to: d, shape: shape, parse: func(v string) (time.Duration, error) {
		parsed, err := time.ParseDuration(v)
		switch {
		case err != nil && strings.HasSuffix(v, "d"):
			return 0, errors.New("is no duration: write days as hours, such as 168h")
		case err != nil:
			return 0, errors.New("is no duration: write a number with a unit, such as 30s, 5m or 8h")
		case parsed < time.Millisecond:
			return 0, errors.New("is too short: write more than 0s")
		case parsed > most:
			return 0, fmt.Errorf("is too long: write at most %s", brief(most))
		}
		return parsed, nil
	}}
}

// brief writes 10m0s as 10m.
func brief(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

func size(n *int64) field {
	shape := object{"type": []any{"string", "integer"}, "pattern": `^[1-9][0-9]*(B|kB|KB|MB|GB|KiB|MiB|GiB)?$`}
	units := map[string]int64{
		"": 1, "B": 1, "kB": 1000, "KB": 1000, "MB": 1000_000, "GB": 1000_000_000,
		"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30,
	}
	return scalar[int64]{to: n, shape: shape, parse: func(v string) (int64, error) {
		digits := strings.TrimRight(v, "BkKMGi ")
		unit, known := units[strings.TrimSpace(v[len(digits):])]
		parsed, err := strconv.ParseInt(digits, 10, 64)
		switch {
		case err != nil || !known:
			return 0, errors.New("is no size: write a whole number with a unit, such as 512KiB, 10MiB or 2GiB")
		case parsed <= 0:
			return 0, errors.New("is too small: write 1B or more")
		case parsed > math.MaxInt64/unit:
			return 0, errors.New("is too large: write a size that a disk can have")
		}
		return parsed * unit, nil
	}}
}

func rate(to *Rate) field {
	shape := object{"type": "string", "pattern": `^[1-9][0-9]*/(s|m|h)$`}
	return scalar[Rate]{to: to, shape: shape, parse: func(v string) (Rate, error) {
		number, unit, _ := strings.Cut(v, "/")
		n, err := strconv.Atoi(number)
		per := map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour}[unit]
		if err != nil || n < 1 || per == 0 {
			return Rate{}, errors.New("is no rate: write a number and a unit, such as 20/s, 300/m or 1000/h")
		}
		return Rate{n, per}, nil
	}}
}

// listenAddress is a host and a port to listen at. may says that it may be empty.
func listenAddress(s *string, may bool) field {
	return checked(anyText(s), func(v string) error {
		if v == "" && may {
			return nil
		}
		host, port, err := net.SplitHostPort(v)
		if err == nil && !validHost(host) && host != "" {
			err = errors.New("host")
		}
		if _, bad := strconv.ParseUint(port, 10, 16); err != nil || bad != nil {
			return errors.New(`is no address to listen at: write host and port, such as ":8080" or "127.0.0.1:9090"`)
		}
		return nil
	})
}

func cidr(p *netip.Prefix) field {
	return scalar[netip.Prefix]{to: p, shape: object{"type": "string"}, parse: func(v string) (netip.Prefix, error) {
		if a, err := netip.ParseAddr(v); err == nil && a.Zone() == "" {
			return netip.Prefix{}, fmt.Errorf("is one address: write it with its length, /%d", a.BitLen())
		}
		parsed, err := netip.ParsePrefix(v)
		switch {
		case err != nil:
			return netip.Prefix{}, errors.New("is no network: write one such as 10.0.0.0/8 or fd00::/8")
		case parsed.Addr().Is4In6():
			return netip.Prefix{}, errors.New("is an IPv4 network in IPv6's clothes: write it as IPv4, such as 10.0.0.0/8")
		case parsed != parsed.Masked():
			return netip.Prefix{}, fmt.Errorf("has bits below its length /%d: write the first address of the network", parsed.Bits())
		}
		return parsed, nil
	}}
}

// signingKey is 32 bytes in base64, standard or URL-safe, with or without padding. The
// Text holds the bytes.
func signingKey(t *secret.Text) field {
	f := secretText(t).(scalar[secret.Text])
	f.parse = func(v string) (secret.Text, error) {
		v = strings.TrimRight(strings.TrimSpace(v), "=")
		v = strings.NewReplacer("-", "+", "_", "/").Replace(v)
		b, err := base64.RawStdEncoding.Strict().DecodeString(v)
		switch {
		case err != nil:
			return secret.Text{}, errors.New("is no base64: write a key that `cloakroom keys new` made")
		case len(b) != keySize:
			return secret.Text{}, fmt.Errorf("has %d bytes, a key has %d: write a key that `cloakroom keys new` made", len(b), keySize)
		}
		return secret.New(string(b)), nil
	}
	return f
}

// filePath is a path, made absolute; empty stays empty. With must, there must be a file
// that can be read.
type filePath struct {
	to   *string
	must bool
}

func (f filePath) read(r *reader, path string, n *node) {
	before := len(r.problems)
	anyText(f.to).read(r, path, n)
	if len(r.problems) > before || *f.to == "" {
		return
	}
	*f.to = r.path(*f.to)
	if f.must {
		if _, err := readFile(*f.to, maxFile); err != nil {
			r.problem(path, "the file cannot be read (%v): write the path of a file that is there; a relative one begins at the configuration's directory", err)
		}
	}
}

func (f filePath) suffix() string { return "" }
func (f filePath) value() any     { return *f.to }
func (f filePath) schema() object { return object{"type": "string"} }

// cause is an error of the file system without the name of the file.
func cause(err error) error {
	if detail, ok := errors.AsType[*fs.PathError](err); ok {
		return detail.Err
	}
	return err
}

// httpURL parses an absolute URL with a host. The error of url.Parse shows the URL, and a
// URL can hold a password, so it is not passed on.
func httpURL(v, example string, schemes ...string) (*url.URL, error) {
	u, err := url.Parse(v)
	switch {
	case err != nil, !slices.Contains(schemes, u.Scheme), u.Opaque != "", !validHost(u.Hostname()), !validPort(u):
		return nil, fmt.Errorf("is no %s URL: write one such as %s", orList(schemes), example)
	case u.User != nil:
		return nil, errors.New("has a user name in it: take it out")
	case u.Fragment != "" || strings.Contains(v, "#"):
		return nil, errors.New("has a fragment: take out the # and what follows")
	}
	u.Host = strings.ToLower(u.Host)
	return u, nil
}

func validPort(u *url.URL) bool {
	if strings.HasSuffix(u.Host, ":") {
		return false
	}
	if u.Port() == "" {
		return true
	}
	n, err := strconv.ParseUint(u.Port(), 10, 16)
	return err == nil && n > 0
}

// validHost reports whether host is an IP address or a name of letters, digits, hyphens,
// dots and, as containers have it, underscores.
func validHost(host string) bool {
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	if host == "" || len(host) > 253 {
		return false
	}
	for label := range strings.SplitSeq(strings.TrimSuffix(host, "."), ".") {
		if label == "" || len(label) > 63 || strings.ContainsFunc(label, func(c rune) bool {
			return (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '-' && c != '_'
		}) {
			return false
		}
	}
	return true
}

// loopback reports whether a host is this machine and nobody else.
func loopback(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback()
}
