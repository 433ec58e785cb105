package redisstore

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// mode is how the servers are arranged.
type mode int

const (
	single mode = iota
	sentinel
	cluster
)

// address is a store's URL taken apart. It is never printed; its String is.
type address struct {
	scheme string
	mode   mode
	hosts  []string // host:port
	user   string
	pass   string
	db     int
	master string // the master's name, for Sentinel

	sentinelUser string
	sentinelPass string

	tls        bool
	caFile     string
	certFile   string
	keyFile    string
	serverName string

	prefix string
}

// String names the servers, without user and password.
func (a address) String() string {
	s := a.scheme + "://" + strings.Join(a.hosts, ",")
	if a.master != "" {
		s += "/" + a.master
	}
	return s
}

// schemes says what each scheme means, and on which port its servers are by default.
func schemes(name string) (m mode, secure bool, port string, ok bool) {
	switch name {
	case "redis":
		return single, false, "6379", true
	case "rediss":
		return single, true, "6379", true
	case "redis-sentinel":
		return sentinel, false, "26379", true
	case "redis-cluster":
		return cluster, false, "6379", true
	}
	return 0, false, "", false
}

// parseAddress takes a store's URL apart:
//
//	redis://[user[:password]@]host[:port][/db][?options]      rediss:// with TLS
//	redis-sentinel://[user:password@]host:port,…/master[?options]
//	redis-cluster://[user:password@]host:port,…[?options]
//
// It does not use url.Parse, which knows no lists of hosts and whose errors quote the whole
// text. Nothing that stands before an @ is ever in an error of ours.
func parseAddress(raw string) (address, error) {
	scheme, rest, ok := strings.Cut(raw, "://")
	var a address
	if !ok || strings.ContainsAny(scheme, "@:/?# ") {
		return a, errors.New("redisstore: the address is no URL: write one such as rediss://redis:6379/0")
	}
	var port string
	if a.mode, a.tls, port, ok = schemes(scheme); !ok {
		return a, fmt.Errorf("redisstore: the scheme %q is not known: write redis, rediss, redis-sentinel or redis-cluster", scheme)
	}
	a.scheme, a.prefix = scheme, "cloakroom:"
	rest, query, _ := strings.Cut(rest, "?")
	authority, path, _ := strings.Cut(rest, "/")
	if at := strings.LastIndexByte(authority, '@'); at >= 0 {
		if err := a.setUser(authority[:at]); err != nil {
			return a, err
		}
		authority = authority[at+1:]
	} else if strings.Contains(path, "@") {
		return a, errors.New("redisstore: an @ stands behind the first /: write a / in a password as %2F, a ? as %3F and an @ as %40")
	}
	if strings.ContainsAny(query, "#@") || strings.Contains(path, "#") {
		return a, errors.New("redisstore: the address has a # or @ where none can stand: write a # in a password as %23, a ? as %3F and an @ as %40")
	}
	if err := a.setHosts(authority, port); err != nil {
		return a, err
	}
	if err := a.setPath(path); err != nil {
		return a, err
	}
	if err := a.setOptions(query); err != nil {
		return a, err
	}
	return a, a.check()
}

func (a *address) setUser(userinfo string) error {
	user, pass, _ := strings.Cut(userinfo, ":")
	var errUser, errPass error
	a.user, errUser = url.PathUnescape(user)
	a.pass, errPass = url.PathUnescape(pass)
	if errUser != nil || errPass != nil {
		return errors.New("redisstore: user or password has a % that escapes nothing: write it as %25")
	}
	return nil
}

func (a *address) setHosts(authority, port string) error {
	for host := range strings.SplitSeq(authority, ",") {
		if host == "" {
			return fmt.Errorf("redisstore: a %s address lacks a host: write %s://host:%s", a.scheme, a.scheme, port)
		}
		name, p, err := net.SplitHostPort(host)
		if err != nil { // Without a port.
			name, p = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]"), port
			if strings.Contains(name, ":") && !strings.HasPrefix(host, "[") {
				return errors.New("redisstore: a host of the address cannot be read: write host:port, and an IPv6 address in brackets")
			}
		}
		if n, err := strconv.ParseUint(p, 10, 16); err != nil || n == 0 || name == "" || strings.ContainsAny(name, " []") {
			return errors.New("redisstore: a host of the address cannot be read: write host:port, with a port from 1 to 65535; in a password, write @ as %40, : as %3A and / as %2F")
		}
		a.hosts = append(a.hosts, net.JoinHostPort(name, p))
	}
	if a.mode == single && len(a.hosts) > 1 {
		return fmt.Errorf("redisstore: a %s address names %d hosts: name one, or write redis-sentinel:// or redis-cluster://", a.scheme, len(a.hosts))
	}
	return nil
}

func (a *address) setPath(path string) error {
	switch {
	case a.mode == sentinel:
		name, err := url.PathUnescape(path)
		if err != nil || name == "" || strings.Contains(name, "/") {
			return errors.New("redisstore: a redis-sentinel address does not name its master: write redis-sentinel://host:26379/NAME")
		}
		a.master = name
	case path == "":
	case a.mode == cluster:
		return errors.New("redisstore: a redis-cluster address has a path: leave it out, a Cluster has one database")
	default:
		return a.setDB(path)
	}
	return nil
}

func (a *address) setDB(text string) error {
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return fmt.Errorf("redisstore: the database %q is no number: write 0, or the number of another one", text)
	}
	a.db = int(n)
	return nil
}

// options are what may stand behind the question mark.
func (a *address) options() map[string]*string {
	return map[string]*string{
		"ca_file": &a.caFile, "cert_file": &a.certFile, "key_file": &a.keyFile, "server_name": &a.serverName,
		"sentinel_user": &a.sentinelUser, "sentinel_password": &a.sentinelPass, "prefix": &a.prefix,
	}
}

func (a *address) setOptions(query string) error {
	values, err := url.ParseQuery(query)
	if err != nil {
		return errors.New("redisstore: the options behind the ? cannot be read: write name=value&name=value, and % as %25")
	}
	known := a.options()
	for name, value := range values {
		if len(value) > 1 {
			return fmt.Errorf("redisstore: the option %s is given %d times: give it once", name, len(value))
		}
		switch field, ok := known[name]; {
		case ok:
			*field = value[0]
		case name == "db":
			if err := a.setDB(value[0]); err != nil {
				return err
			}
		case name == "tls":
			on, err := strconv.ParseBool(value[0])
			if err != nil || a.tls && !on {
				return errors.New("redisstore: the option tls is true or false, and true with rediss")
			}
			a.tls = on
		default:
			names := []string{"db", "tls"}
			for n := range known {
				names = append(names, n)
			}
			slices.Sort(names)
			return fmt.Errorf("redisstore: the option %q is not known: the options are %s", name, strings.Join(names, ", "))
		}
	}
	return nil
}

// check refuses what contradicts itself.
func (a *address) check() error {
	switch {
	case !a.tls && a.caFile+a.certFile+a.keyFile+a.serverName != "":
		return fmt.Errorf("redisstore: %s has options for TLS and does not use it: write rediss://, or add tls=true", a)
	case (a.certFile == "") != (a.keyFile == ""):
		return errors.New("redisstore: cert_file and key_file go together: give both or neither")
	case a.mode != sentinel && a.sentinelUser+a.sentinelPass != "":
		return errors.New("redisstore: sentinel_user and sentinel_password are for redis-sentinel addresses: leave them out")
	case a.mode == cluster && a.db != 0:
		return errors.New("redisstore: a Cluster has database 0 only: leave db out")
	case a.user != "" && a.pass == "":
		return errors.New("redisstore: the address has a user and no password: write user:password@host, or :password@host for the default user")
	case a.prefix == "" || len(a.prefix) > 64 || strings.ContainsFunc(a.prefix, func(r rune) bool { return r <= ' ' || r > '~' || r == '{' || r == '}' }):
		return errors.New("redisstore: the prefix has 1 to 64 printable ASCII characters, no spaces and no braces: write one such as cloakroom: or leave it out")
	}
	return nil
}
