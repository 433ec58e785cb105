package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/cloakroom-bff/cloakroom/internal/secret"
)

// secureURL is an https URL, or an http one on this machine.
func secureURL(v, example string) (*url.URL, error) {
	u, err := httpURL(v, example, "https", "http")
	if err == nil && u.Scheme == "http" && !loopback(u.Hostname()) {
		err = errors.New("is http, which anybody on the way can read: write https (http is for loopback hosts only)")
	}
	return u, err
}

func publicURL(to **url.URL) field {
	const example = "https://app.example.com"
	return scalar[*url.URL]{to: to, shape: object{"type": "string"}, parse: func(v string) (*url.URL, error) {
		u, err := secureURL(v, example)
		switch {
		case err != nil:
			return nil, err
		case u.Path != "" && u.Path != "/", u.RawQuery != "", u.ForceQuery:
			return nil, errors.New("has a path or a query: write scheme, host and port only (base_path has its own key)")
		}
		u.Path, u.RawPath = "", ""
		return u, nil
	}}
}

// origin is that of a page, which is kept as browsers write it.
func origin(s *string) field {
	const example = "https://www.example.com"
	f := anyText(s).(scalar[string])
	f.parse = func(v string) (string, error) {
		if strings.Contains(v, "*") {
			return "", errors.New("would let other pages act for the user: write each origin as a whole, such as " + example)
		}
		u, err := secureURL(v, example)
		switch {
		case err != nil:
			return "", err
		case u.Path != "" && u.Path != "/", u.RawQuery != "", u.ForceQuery:
			return "", errors.New("has a path or a query: write scheme, host and port only")
		}
		return originOf(u), nil
	}
	return f
}

// originOf is the origin of a URL as browsers write it: without the scheme's own port.
func originOf(u *url.URL) string {
	host := strings.ToLower(u.Host)
	if port := u.Port(); port == map[string]string{"https": "443", "http": "80"}[u.Scheme] {
		host = strings.TrimSuffix(host, ":"+port)
	}
	return u.Scheme + "://" + host
}

// sameSiteHosts reports whether the browser may take two hosts for parts of one site. It knows
// no list of public suffixes, so that it can only tell for certain that they are not.
func sameSiteHosts(a, b string) bool {
	if a == b {
		return true
	}
	if net.ParseIP(a) != nil || net.ParseIP(b) != nil {
		return false
	}
	x, y := strings.Split(a, "."), strings.Split(b, ".")
	return len(x) > 1 && len(y) > 1 && slices.Equal(x[len(x)-2:], y[len(y)-2:])
}

// landing is where a logout ends: a path of the public origin, or an absolute URL.
func landing(s *string) field {
	return checked(anyText(s), func(v string) error {
		if !strings.HasPrefix(v, "/") {
			_, err := secureURL(v, "https://www.example.com/, or a path such as /goodbye")
			return err
		}
		// The attack: browsers read //host and /\host as another site.
		if strings.HasPrefix(v, "//") || strings.ContainsAny(v, "\\ ") {
			return errors.New("could be read as another site: write a path such as /goodbye, or an absolute URL")
		}
		return nil
	})
}

func issuer(s *string) field {
	return checked(anyText(s), func(v string) error {
		u, err := secureURL(v, "https://login.example.com/")
		if err == nil && (u.RawQuery != "" || u.ForceQuery) {
			err = errors.New("has a query, which no issuer has (OpenID Connect Discovery §2): write it as the discovery document does")
		}
		return err
	})
}

// endpoint is an address of the provider, or nothing.
func endpoint(s *string) field {
	return checked(anyText(s), func(v string) error {
		if v == "" {
			return nil
		}
		u, err := secureURL(v, "https://login.example.com/oauth/token")
		if err == nil && strings.HasSuffix(strings.TrimSuffix(u.Path, "/"), "/delegation") {
			err = errors.New("is Auth0's delegation endpoint, which is deprecated and not supported: write the token endpoint, /oauth/token")
		}
		return err
	})
}

// insideURL is a service of the operator's own, or nothing.
func insideURL(s *string) field {
	return checked(anyText(s), func(v string) error {
		if v == "" {
			return nil
		}
		_, err := httpURL(v, "http://collector:4318", "http", "https")
		return err
	})
}

func upstream(to **url.URL) field {
	const example = "http://orders:9000"
	return scalar[*url.URL]{to: to, shape: object{"type": "string"}, parse: func(v string) (*url.URL, error) {
		u, err := httpURL(v, example, "http", "https", "h2c")
		switch {
		case err != nil:
			return nil, err
		case u.RawQuery != "" || u.ForceQuery:
			return nil, errors.New("has a query: write scheme, host, port and path only")
		case u.Path != "" && pathFault(u.EscapedPath()) != nil:
			return nil, pathFault(u.EscapedPath())
		}
		return u, nil
	}}
}

// resource is a resource indicator: an absolute URI without a fragment (RFC 8707 §2).
func resource(s *string) field {
	return checked(anyText(s), func(v string) error {
		if u, err := url.Parse(v); v != "" && (err != nil || !u.IsAbs() || u.Fragment != "" || strings.HasSuffix(v, "#")) {
			return errors.New("is no resource: write an absolute URI without a fragment, such as https://api.example.com/")
		}
		return nil
	})
}

// storeURL is where sessions live.
type storeURL struct{ to *Store }

func (f storeURL) suffix() string { return "" }
func (f storeURL) schema() object { return object{"type": "string"} }
func (f storeURL) value() any     { return *f.to }

func (f storeURL) read(r *reader, path string, n *node) {
	var whole secret.Text
	before := len(r.problems)
	secretText(&whole).read(r, path, n)
	if len(r.problems) > before {
		return
	}
	scheme, rest, _ := strings.Cut(whole.Reveal(), ":")
	switch scheme {
	case "bolt":
		if rest == "" || strings.HasPrefix(rest, "//") && !strings.HasPrefix(rest, "///") || strings.HasSuffix(rest, "/") {
			r.problem(path, "has no path of a file: write bolt:./cloakroom.db or bolt:/var/lib/cloakroom/cloakroom.db")
			return
		}
		f.to.Bolt = r.path(rest)
	case "redis", "rediss", "redis-sentinel", "redis-cluster":
		// The URL may hold a password, so nothing of it is repeated.
		// Several hosts with ports, as Sentinel and Cluster have them, are no URL to net/url.
		hosts, _, _ := strings.Cut(strings.TrimPrefix(rest, "//"), "/")
		if hosts = hosts[strings.LastIndexByte(hosts, '@')+1:]; !strings.HasPrefix(rest, "//") || hosts == "" || strings.ContainsAny(rest, " \t") {
			r.problem(path, "is no URL of a Redis: write one such as rediss://redis:6379/0")
			return
		}
		f.to.URL = whole
	default:
		r.problem(path, "is no known store: write bolt:./cloakroom.db, or a redis:// or rediss:// URL")
	}
}

// pathFault says why a path has more than one reading, nil if it has one.
func pathFault(p string) error {
	switch {
	case !strings.HasPrefix(p, "/"):
		return errors.New("does not begin with a slash: write one in front")
	case strings.ContainsAny(p, "?#"):
		return errors.New("has a query or a fragment, which play no part: write the path only")
	case strings.Contains(p, "%"):
		return errors.New("has an escape, which servers read in two ways: write a path without %")
	case strings.Contains(p, "//"):
		return errors.New("has a doubled slash: write one")
	case strings.ContainsFunc(p, func(c rune) bool { return c <= ' ' || c >= 0x7f || c == '\\' || c == ';' }):
		return errors.New("has a character that no path here may have: write letters, digits and - . _ ~ ! $ & ' ( ) * + , = : @")
	}
	for segment := range strings.SplitSeq(p, "/") {
		if segment == "." || segment == ".." {
			return errors.New("has a dot segment: write the path that it leads to")
		}
	}
	return nil
}

func routePath(s *string) field { return checked(anyText(s), pathFault) }

// healthPath is a path that is asked for as it stands, or nothing.
func healthPath(s *string) field {
	return checked(anyText(s), func(v string) error {
		if v == "" {
			return nil
		}
		return pathFault(v)
	})
}

// plainPath is a path that other paths are put behind.
func plainPath(s *string) field {
	return checked(anyText(s), func(v string) error {
		switch err := pathFault(v); {
		case err != nil:
			return err
		case v == "/":
			return errors.New("would be the whole host: write a path of its own, such as /bff")
		case strings.HasSuffix(v, "/"):
			return errors.New("ends in a slash: write it without, such as /bff")
		}
		return nil
	})
}

func hostName(s *string) field {
	return checked(anyText(s), func(v string) error {
		if v == "" {
			return nil
		}
		host := v
		if h, port, err := net.SplitHostPort(v); err == nil && port != "" {
			host = h
		}
		if !validHost(strings.Trim(host, "[]")) || strings.Contains(v, "/") {
			return errors.New("is no host: write a name such as shop.example.com, with a port if it has one")
		}
		return nil
	})
}

// serverName is a name in a certificate, or nothing.
func serverName(s *string) field {
	return checked(anyText(s), func(v string) error {
		if v != "" && !validHost(v) {
			return errors.New("is no name of a server: write one such as orders.internal, without a port")
		}
		return nil
	})
}

// logoutStrategy is a word, or a template of a URL.
func logoutStrategy(s *string) field {
	words := []string{"auto", "oidc", "auth0_v2", "cognito", "local"}
	return checked(anyText(s), func(v string) error {
		if slices.Contains(words, v) {
			return nil
		}
		if strings.Contains(v, "://") {
			return logoutTemplate(v)
		}
		if near := nearest(v, words); near != "" {
			return fmt.Errorf("is not known: did you mean %s?", near)
		}
		return fmt.Errorf("is not known: write %s, or a URL template", orList(words))
	})
}

// placeholders are what the URL template of a logout may hold.
var placeholders = []string{"{return_url}", "{client_id}", "{id_token}", "{sid}"}

// logoutTemplate judges a URL with placeholders in its query.
func logoutTemplate(v string) error {
	address, query, _ := strings.Cut(v, "?")
	if strings.ContainsAny(address, "{}") {
		return errors.New("has a placeholder outside its query: write it behind the question mark, such as ?to={return_url}")
	}
	if _, err := secureURL(address, "https://login.example.com/logout?to={return_url}"); err != nil {
		return err
	}
	for _, known := range placeholders {
		query = strings.ReplaceAll(query, known, "")
	}
	switch {
	case strings.ContainsAny(query, "{}"):
		return fmt.Errorf("has a placeholder that is not known: write %s", orList(placeholders))
	case strings.Contains(query, "#"):
		return errors.New("has a fragment: take out the # and what follows")
	}
	return nil
}

// issuerTemplate is an issuer with {tenantid} in it, once, or nothing.
func issuerTemplate(s *string) field {
	return checked(anyText(s), func(v string) error {
		const place = "{tenantid}"
		switch {
		case v == "":
			return nil
		case strings.Count(v, place) != 1 || !strings.Contains(v, "/"+place):
			return errors.New("does not have {tenantid} once in its path: write it as the discovery document does, such as https://login.microsoftonline.com/{tenantid}/v2.0")
		}
		u, err := secureURL(strings.Replace(v, place, "tenant", 1), "https://login.microsoftonline.com/{tenantid}/v2.0")
		if err == nil && (u.RawQuery != "" || u.ForceQuery || !strings.Contains(u.Path, "/tenant")) {
			err = errors.New("has a query, or {tenantid} outside its path: write it as the discovery document does")
		}
		return err
	})
}

// tenant is the id of a tenant as the claim tid has it.
func tenant(s *string) field {
	return checked(anyText(s), func(v string) error {
		if !tenantPattern.MatchString(v) {
			return errors.New("is no tenant's id: write the one of the claim tid, such as 9188040d-6c67-4c5b-b112-36a304b66dad, and no domain or *")
		}
		return nil
	})
}

// tenantPattern is a UUID as Entra ID writes it: ids are compared byte for byte.
var tenantPattern = regexp.MustCompile("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")

// tokenPattern is a token of HTTP (RFC 9110 §5.6.2).
var tokenPattern = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")

func method(s *string) field {
	return checked(anyText(s), func(v string) error {
		switch {
		case !tokenPattern.MatchString(v):
			return errors.New("is no method: write one such as GET or POST")
		case v != strings.ToUpper(v):
			return errors.New("is not in capitals, and methods are case-sensitive: write it so")
		case v == "TRACE" || v == "TRACK" || v == "CONNECT":
			return errors.New("is never forwarded: leave it out")
		}
		return nil
	})
}

// scope is a scope token (RFC 6749 §3.3).
func scope(s *string) field {
	return checked(anyText(s), func(v string) error {
		if v == "" || strings.ContainsFunc(v, func(c rune) bool { return c <= ' ' || c >= 0x7f || c == '"' || c == '\\' }) {
			return errors.New("is no scope: write one word an element, such as [openid, profile]")
		}
		return nil
	})
}

// parameter is the name of a query parameter.
func parameter(s *string) field {
	return checked(anyText(s), func(v string) error {
		if !tokenPattern.MatchString(v) {
			return errors.New("is no name of a parameter: write one such as login_hint")
		}
		return nil
	})
}

// cookieName is the name of a cookie, or nothing (RFC 6265 §4.1.1).
func cookieName(s *string) field {
	return checked(anyText(s), func(v string) error {
		if v != "" && (!tokenPattern.MatchString(v) || len(v) > 64) {
			return errors.New("is no name of a cookie: write up to 64 letters, digits, - or _")
		}
		return nil
	})
}

func sameSite(s *SameSite) field {
	f := oneOf(s, Strict, Lax).(scalar[SameSite])
	read := f.parse
	f.parse = func(v string) (SameSite, error) {
		if strings.EqualFold(v, "none") {
			return "", errors.New("would send the session with every request of every site: write strict or lax")
		}
		return read(v)
	}
	return f
}
