package proxy

import (
	"net/netip"
	"net/url"
	"strings"
	"testing"
)

func TestOnlyKnownHostsAreServed(t *testing.T) {
	up, other := api(t, nil), api(t, nil)
	f := open(t, append(public(up), Route{Path: "/", Host: "Other.example.com", Upstream: other.url, Access: Public}))
	for host, code := range map[string]Code{
		"app.example.com": "", "APP.example.com:443": "", "app.example.com:8443": NotFound, "evil.example": NotFound,
		"app.example.com.evil.example": NotFound, "app.example.com.": NotFound, "127.0.0.1": NotFound, "other.example.com:9": "",
	} {
		res := f.raw(t, "GET / HTTP/1.1\r\nHost: "+host+"\r\n\r\n")
		if code != "" {
			mustFail(t, res, code)
		} else if res.StatusCode != 200 {
			t.Errorf("%s: %s", host, res.Status)
		}
	}
	hits := other.hits()
	mustFail(t, f.raw(t, "GET http://evil.example/ HTTP/1.1\r\nHost: app.example.com\r\nX-Forwarded-Host: app.example.com\r\n\r\n"), NotFound)
	if res := f.raw(t, "GET http://other.example.com/x%7c HTTP/1.1\r\nHost: app.example.com\r\n\r\n"); res.StatusCode != 200 || other.hits() != hits+1 {
		t.Error(res.Status)
	}
	if r := other.last(t); r.RequestURI != "/x%7c" || r.Header.Get("X-Forwarded-Host") != "other.example.com" {
		t.Error(r.RequestURI, r.Header)
	}
	// The gateway's endpoints live on its public host only.
	if res := f.raw(t, "GET /bff/user HTTP/1.1\r\nHost: other.example.com\r\n\r\n"); res.Header.Get("Cloakroom-Error") != "" {
		t.Error(res.Header)
	}
}

func TestAChainIsBelievedFromTheRight(t *testing.T) {
	for _, row := range []struct{ trusted, lines, addr, chain, host, proto string }{
		{"", "X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-Host: evil.example\r\nX-Forwarded-Proto: http", "127.0.0.1", "127.0.0.1", publicHost, "https"},
		{"127.0.0.0/8", "X-Forwarded-For: 9.9.9.9, 1.1.1.1", "1.1.1.1", "1.1.1.1, 127.0.0.1", publicHost, "https"},
		{"127.0.0.0/8 10.0.0.0/8", "X-Forwarded-For: 9.9.9.9, 1.1.1.1\r\nX-Forwarded-For: 10.0.0.7", "1.1.1.1", "1.1.1.1, 10.0.0.7, 127.0.0.1", publicHost, "https"},
		{"127.0.0.0/8", "X-Forwarded-For: 9.9.9.9, unknown", "127.0.0.1", "127.0.0.1", publicHost, "https"},
		{"127.0.0.0/8", "X-Forwarded-Proto: HTTP\r\nX-Forwarded-For: ::ffff:1.2.3.4", "1.2.3.4", "1.2.3.4, 127.0.0.1", publicHost, "http"},
		{"127.0.0.0/8", `Forwarded: for=9.9.9.9;proto=https, for="[2001:db8::1]:4711"`, "2001:db8::1", "2001:db8::1, 127.0.0.1", publicHost, "https"},
		{"127.0.0.0/8", "Forwarded: for=9.9.9.9\r\nX-Forwarded-For: 1.1.1.1", "127.0.0.1", "127.0.0.1", publicHost, "https"},
		{"127.0.0.0/8", "Forwarded: host=evil.example;proto=https, for=1.1.1.1;Host=\"app.example.com:443\";proto=http", "1.1.1.1", "1.1.1.1, 127.0.0.1", publicHost + ":443", "http"},
		{"127.0.0.0/8", "Forwarded: host=evil.example;proto=http\r\nX-Forwarded-Host: other.example\r\nX-Forwarded-Proto: https", "127.0.0.1", "127.0.0.1", publicHost, "https"},
		{"", "Forwarded: host=evil.example;proto=http", "127.0.0.1", "127.0.0.1", publicHost, "https"},
		{"127.0.0.0/8 10.0.0.0/8", "X-Forwarded-For: 10.0.0.1, 10.0.0.2", "10.0.0.1", "10.0.0.1, 10.0.0.2, 127.0.0.1", publicHost, "https"},
		{"127.0.0.0/8", "X-Forwarded-For: 9.9.9.9, 1.1.1.1:4711\r\nX_Forwarded_For: 8.8.8.8\r\nX-Real-IP: 7.7.7.7", "1.1.1.1", "1.1.1.1, 127.0.0.1", publicHost, "https"},
		{"127.0.0.0/8", `Forwarded: for="9.9.9.9, for=1.1.1.1`, "1.1.1.1", "1.1.1.1, 127.0.0.1", publicHost, "https"},
		{"127.0.0.0/8", `Forwarded: for=9.9.9.9, for="_hidden"`, "127.0.0.1", "127.0.0.1", publicHost, "https"},
		{"127.0.0.0/8", "Forwarded: for=9.9.9.9, proto=http", "127.0.0.1", "127.0.0.1", publicHost, "http"},
		{"127.0.0.0/8", "Forwarded: for=9.9.9.9, proto=http\r\nX-Forwarded-For: 1.1.1.1", "1.1.1.1", "1.1.1.1, 127.0.0.1", publicHost, "http"},
		{"127.0.0.0/8", "X-Forwarded-Host: evil.example, app.example.com", "127.0.0.1", "127.0.0.1", publicHost, "https"},
	} {
		up := api(t, nil)
		f := open(t, public(up), func(c *Config) {
			for p := range strings.FieldsSeq(row.trusted) {
				c.TrustedProxies = append(c.TrustedProxies, netip.MustParsePrefix(p))
			}
		})
		f.get(t, "/", row.lines)
		h := up.last(t).Header
		if h.Get("X-Forwarded-For") != row.chain || h.Get("X-Forwarded-Host") != row.host || h.Get("X-Forwarded-Proto") != row.proto {
			t.Errorf("%q: %v", row.lines, h)
		}
		if !strings.Contains(f.log.String(), `"client":"`+row.addr+`"`) {
			t.Errorf("%q: %s", row.lines, f.log)
		}
	}
}

func TestAConfigurationThatCannotWorkIsRefused(t *testing.T) {
	up := &url.URL{Scheme: "http", Host: "127.0.0.1:1"}
	good := Route{Path: "/a/", Upstream: up}
	with := func(change func(*Route)) Route { r := good; change(&r); return r }
	for name, routes := range map[string][]Route{
		"no slash":            {with(func(r *Route) { r.Path = "a/" })},
		"dot segment":         {with(func(r *Route) { r.Path = "/a/../" })},
		"escape":              {with(func(r *Route) { r.Path = "/a%2fb/" })},
		"nothing to do":       {with(func(r *Route) { r.Upstream = nil })},
		"two things to do":    {with(func(r *Route) { r.Files = "." })},
		"no such directory":   {{Path: "/", Files: "/no/such/directory"}},
		"passthrough inside":  {with(func(r *Route) { r.Token = Passthrough })},
		"foreign prefix":      {with(func(r *Route) { r.StripPrefix = "/b" })},
		"prefix in a segment": {with(func(r *Route) { r.Path, r.StripPrefix = "/api/", "/ap" })},
		"twice":               {good, good},
		"letter case":         {good, with(func(r *Route) { r.Path = "/A/" })},
		"on our endpoints":    {with(func(r *Route) { r.Path = "/bff/" })},
		"case of endpoints":   {with(func(r *Route) { r.Path = "/BFF/" })},
		"ftp":                 {with(func(r *Route) { r.Upstream = &url.URL{Scheme: "ftp", Host: "x"} })},
		"user in upstream":    {with(func(r *Route) { r.Upstream = &url.URL{Scheme: "http", Host: "x", User: url.User("u")} })},
		"method":              {with(func(r *Route) { r.Methods = []string{"get"} })},
		"trace":               {with(func(r *Route) { r.Methods = []string{"TRACE"} })},
		"sets Authorization":  {with(func(r *Route) { r.SetHeaders = map[string]string{"authorization": "x"} })},
		"sets Host":           {with(func(r *Route) { r.SetHeaders = map[string]string{"Host": "x"} })},
		"bad header":          {with(func(r *Route) { r.SetHeaders = map[string]string{"X Y": "x"} })},
		"bad template":        {with(func(r *Route) { r.SetHeaders = map[string]string{"X": "{claims.}"} })},
		"negative timeout":    {with(func(r *Route) { r.Timeout = -1 })},
	} {
		f := open(t, nil)
		cfg := f.cfg
		cfg.Routes = routes
		if _, err := New(cfg); err == nil {
			t.Errorf("%s: taken", name)
		} else if !strings.HasPrefix(err.Error(), "proxy: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, u := range []string{"ftp://x", "https://", "https://x/path", "https://u@x", "https://x?q"} {
		f := open(t, nil)
		cfg := f.cfg
		cfg.PublicURL, _ = url.Parse(u)
		if _, err := New(cfg); err == nil {
			t.Errorf("%s: taken", u)
		}
	}
	if _, err := New(Config{}); err == nil {
		t.Error("an empty configuration is taken")
	}
}
