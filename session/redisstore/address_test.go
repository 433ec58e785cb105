package redisstore

import (
	"reflect"
	"strings"
	"testing"
)

func TestAnAddressIsTakenApart(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		url  string
		want address
		name string
	}{
		{"redis://redis", address{scheme: "redis", hosts: []string{"redis:6379"}}, "redis://redis:6379"},
		{"redis://[::1]:7000/3", address{scheme: "redis", hosts: []string{"[::1]:7000"}, db: 3}, "redis://[::1]:7000"},
		{"redis://[::1]", address{scheme: "redis", hosts: []string{"[::1]:6379"}}, "redis://[::1]:6379"},
		{"redis://:p%40ss%2F%3A@h:1/?db=2&prefix=app1:", address{scheme: "redis", hosts: []string{"h:1"}, pass: "p@ss/:", db: 2, prefix: "app1:"}, "redis://h:1"},
		{"redis://u:a@b:c@h:1", address{scheme: "redis", hosts: []string{"h:1"}, user: "u", pass: "a@b:c"}, "redis://h:1"},
		{
			"rediss://u:p@h?ca_file=/etc/ca.pem&cert_file=c&key_file=k&server_name=s",
			address{scheme: "rediss", hosts: []string{"h:6379"}, user: "u", pass: "p", tls: true, caFile: "/etc/ca.pem", certFile: "c", keyFile: "k", serverName: "s"},
			"rediss://h:6379",
		},
		{
			"redis-sentinel://:p@a,b:2/main?db=1&sentinel_user=su&sentinel_password=s%23p&tls=true",
			address{scheme: "redis-sentinel", mode: sentinel, hosts: []string{"a:26379", "b:2"}, pass: "p", master: "main", db: 1, sentinelUser: "su", sentinelPass: "s#p", tls: true},
			"redis-sentinel://a:26379,b:2/main",
		},
		{"redis-cluster://a:1,b:2,[::1]:3", address{scheme: "redis-cluster", mode: cluster, hosts: []string{"a:1", "b:2", "[::1]:3"}}, "redis-cluster://a:1,b:2,[::1]:3"},
		{"redis-cluster://a/?tls=1", address{scheme: "redis-cluster", mode: cluster, hosts: []string{"a:6379"}, tls: true}, "redis-cluster://a:6379"},
	} {
		if row.want.prefix == "" {
			row.want.prefix = "cloakroom:"
		}
		got, err := parseAddress(row.url)
		if err != nil || !reflect.DeepEqual(got, row.want) {
			t.Errorf("%s: %+v, %v, want %+v", row.url, got, err, row.want)
		}
		if got.String() != row.name {
			t.Errorf("%s prints as %s, want %s", row.url, got, row.name)
		}
	}
}

// secret is the password in every bad address; no error may hold it.
const secret = "hUsh7"

func TestABadAddressIsRefusedWithoutItsPassword(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"":                                      "no URL",
		"hUsh7":                                 "no URL",
		"redis:hUsh7@h":                         "no URL",
		"u:hUsh7@h://x":                         "no URL",
		"memcached://:hUsh7@h":                  "the scheme \"memcached\" is not known",
		"redis://":                              "lacks a host",
		"redis://:hUsh7@":                       "lacks a host",
		"redis://:hUsh7@h:0":                    "port",
		"redis://:hUsh7@h:port":                 "port",
		"redis://h:hUsh7":                       "port",
		"redis://:hUsh7@h:70000":                "port",
		"redis://:hUsh7@a,b":                    "2 hosts",
		"redis://:hUsh7@::1":                    "brackets",
		"redis://:hUsh7@h/one":                  "database \"one\"",
		"redis://:hUsh7@h?db=-1":                "database",
		"redis://:hUsh7%@h":                     "%25",
		"redis://:hUsh7%zz@h":                   "%25",
		"redis://:a/hUsh7@h":                    "%2F",
		"redis://:a?hUsh7@h":                    "%3F",
		"redis://:hUsh7#x@h?y":                  "not known",
		"redis://:h@h?x#hUsh7":                  "%23",
		"redis://h?db=0&db=hUsh7":               "2 times",
		"redis://:hUsh7@h?a;b":                  "options",
		"redis://:hUsh7@h?sentinel_password=x":  "redis-sentinel",
		"redis://:hUsh7@h?ca_file=x":            "rediss://",
		"rediss://:hUsh7@h?cert_file=x":         "key_file",
		"rediss://:hUsh7@h?tls=false":           "tls",
		"redis://:hUsh7@h?tls=maybe":            "tls",
		"redis://:hUsh7@h?prefx=a":              "prefix",
		"redis://:hUsh7@h?prefix=":              "1 to 64",
		"redis://:hUsh7@h?prefix={a}":           "braces",
		"redis://hUsh7@h":                       "no password",
		"redis-sentinel://:hUsh7@h":             "name its master",
		"redis-sentinel://:hUsh7@h/a/b":         "name its master",
		"redis-cluster://:hUsh7@h/1":            "one database",
		"redis-cluster://:hUsh7@h?db=1":         "database 0 only",
		"rediss://:hUsh7@h?ca_file=/not/there":  "/not/there",
		"rediss://:hUsh7@h?ca_file=/dev/null":   "no certificate",
		"rediss://h?cert_file=/no&key_file=/no": "cert_file",
	} {
		s, err := Open(url, Options{})
		if err == nil {
			t.Errorf("%s: no error", url)
			must(t, s.Close())
			continue
		}
		if !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "redisstore: ") {
			t.Errorf("%s: the error is %q, want it to name %q", url, err, want)
		}
		if strings.Contains(err.Error(), secret) {
			t.Errorf("%s: the password is in the error %q", url, err)
		}
	}
}

func TestANegativeNumberOfReplicasIsRefused(t *testing.T) {
	t.Parallel()
	if _, err := Open("redis://h", Options{WaitReplicas: -1}); err == nil {
		t.Error("no error")
	}
}

func FuzzAddress(f *testing.F) {
	for _, seed := range []string{
		"redis://h", "rediss://u:p@h:1/2?ca_file=x", "redis-sentinel://a,b/main", "redis-cluster://a,[::1]:2?tls=true", "redis://:%@h", "://", "redis://h?%",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, url string) {
		a, err := parseAddress(url)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "redisstore: ") {
				t.Errorf("the error is %q", err)
			}
			return
		}
		// What it prints is an address again, of the same servers.
		b, err := parseAddress(a.String())
		if err != nil || !reflect.DeepEqual(a.hosts, b.hosts) {
			t.Errorf("%q prints as %q, and that is %v, %v", url, a, b.hosts, err)
		}
	})
}
