package proxy

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

func TestAddressesComeBackAsBrowsersSeeThem(t *testing.T) {
	moved := &mapping{"/erp", "/app", "/bff"} // /erp/ is /app/ there
	rooted := &mapping{"/erp", "", "/bff"}    // /erp/ is / there
	above := &mapping{"", "/app", "/bff"}     // / is /app/ there
	plain := &mapping{"", "", "/bff"}         // always, and nothing moves
	for _, row := range []struct {
		m        *mapping
		in, want string
	}{
		{moved, "/app/orders?next=/app/x#/app/y", "/erp/orders?next=/app/x#/app/y"},
		{moved, "/app", "/erp"},
		{moved, "/app/", "/erp/"},
		{moved, "/app?a", "/erp?a"},
		{moved, "http://erp.internal:8080/app/orders", "/erp/orders"},
		{moved, "HTTP://ERP.internal:8080/app/orders", "/erp/orders"},
		{moved, "https://erp.internal:8080/app/", "/erp/"}, // it believes X-Forwarded-Proto
		{moved, "//erp.internal:8080/app/", "/erp/"},
		{moved, "https://app.example.com/app/orders", "https://app.example.com/erp/orders"}, // and X-Forwarded-Host
		{moved, "https://app.example.com:443/app/", "https://app.example.com:443/erp/"},
		{moved, "//app.example.com/app/", "//app.example.com/erp/"},
		{moved, "/erp/orders", "/erp/orders"},
		{moved, "/apple", "/apple"},
		{moved, "/", "/"},
		{moved, "orders", "orders"},
		{moved, "../x", "../x"},
		{moved, "?page=2", "?page=2"},
		{moved, "", ""},
		{moved, "http://erp.internal/app/", "http://erp.internal/app/"}, // another port
		{moved, "http://erp.internal:8080@evil.example/app/", "http://erp.internal:8080@evil.example/app/"},
		{moved, "http://user@erp.internal:8080/app/", "http://user@erp.internal:8080/app/"},
		{moved, "https://evil.example/app/", "https://evil.example/app/"},
		{moved, "//evil.example/app/", "//evil.example/app/"},
		{moved, "myapp://app.example.com/app/", "myapp://app.example.com/app/"},
		{moved, "mailto:a@b", "mailto:a@b"},

		{rooted, "/orders", "/erp/orders"},
		{rooted, "/", "/erp/"},
		{rooted, "/erp/orders", "/erp/orders"}, // it knows by itself
		{rooted, "/erp", "/erp"},
		{rooted, "/erpx", "/erp/erpx"},
		{rooted, "/bff/logout", "/bff/logout"},
		{rooted, "/bffx", "/erp/bffx"},
		{rooted, "https://app.example.com/bff/login?returnUrl=/", "https://app.example.com/bff/login?returnUrl=/"},
		{rooted, "https://app.example.com/orders", "https://app.example.com/erp/orders"},
		{rooted, "http://erp.internal:8080", "/erp/"},
		{rooted, "http://erp.internal:8080?a", "/erp/?a"},
		{rooted, "//evil.example/orders", "//evil.example/orders"},

		{above, "/app/orders", "/orders"},
		{above, "/app", "/"},
		{above, "/orders", "/orders"},
		{plain, "http://erp.internal:8080/orders?a", "/orders?a"},
		{plain, "/orders", "/orders"},

		// No answer is made an open redirect that was none.
		{above, "/app//evil.example", "/app//evil.example"},
		{above, "/app/\\evil.example", "/app/\\evil.example"},
		{above, "/app/\t/evil.example", "/app/\t/evil.example"},
		{above, "http://erp.internal:8080/app//evil.example", "http://erp.internal:8080/app//evil.example"},
		{plain, "http://erp.internal:8080//evil.example", "http://erp.internal:8080//evil.example"},
	} {
		if got := row.m.address(row.in, "erp.internal:8080", publicHost); got != row.want {
			t.Errorf("%v %s: got %s, want %s", *row.m, row.in, got, row.want)
		}
	}
}

// FuzzAddress holds that a mapped address leads a browser to no host but those that the
// upstream named itself.
func FuzzAddress(f *testing.F) {
	for _, s := range []string{"/app//evil.example", "//erp.internal:8080/app/x", "http://app.example.com/app", "/app/%2f/x", "/app/../..//x"} {
		f.Add(s)
	}
	ours, _ := url.Parse("https://" + publicHost + "/erp/here")
	f.Fuzz(func(t *testing.T, s string) {
		for _, m := range []*mapping{{"/erp", "/app", "/bff"}, {"", "/app", "/bff"}, {"/erp", "", "/bff"}, {"", "", "/bff"}} {
			got := m.address(s, "erp.internal:8080", publicHost)
			if got == s {
				continue
			}
			u, err := ours.Parse(got)
			if err == nil && !strings.EqualFold(canonicalHost("https", u.Host), publicHost) && !strings.EqualFold(canonicalHost("http", u.Host), publicHost) {
				t.Errorf("%v: %q becomes %q, at %v", *m, s, got, u)
			}
			if strings.HasPrefix(got, "//") && !strings.HasPrefix(s, "//") {
				t.Errorf("%v: %q becomes %q", *m, s, got)
			}
		}
	})
}

func TestCookiesComeBackWhereBrowsersSeeTheUpstream(t *testing.T) {
	moved, rooted, above := &mapping{"/erp", "/app", "/bff"}, &mapping{"/erp", "", "/bff"}, &mapping{"", "/app", "/bff"}
	for _, row := range []struct {
		m        *mapping
		in, want string
	}{
		{moved, "a=b; Path=/app; HttpOnly", "a=b; Path=/erp; HttpOnly"},
		{moved, "a=b;path=/app/;Secure", "a=b; Path=/erp;Secure"},
		{moved, "a=b; Path=/app/x", "a=b; Path=/erp/x"},
		{moved, "a=b; Path=/", "a=b; Path=/erp"},
		{moved, "a=b; Path=/apple", "a=b; Path=/apple"},
		{moved, "a=b; Path=/erp/x", "a=b; Path=/erp/x"},
		{moved, "a=b; Path=", "a=b; Path="},
		{moved, "a=b", "a=b"},
		{moved, "a=Path=/app; Max-Age=1", "a=Path=/app; Max-Age=1"},
		{rooted, "a=b; Path=/", "a=b; Path=/erp"},
		{rooted, "a=b; Path=/x", "a=b; Path=/erp/x"},
		{rooted, "a=b; Path=/erp/", "a=b; Path=/erp/"},
		{above, "a=b; Path=/app", "a=b; Path=/"},
		{above, "a=b; Path=/app/x", "a=b; Path=/x"},
		{above, "a=b; Path=/", "a=b; Path=/"},
		{moved, "__Host-a=b; Path=/; Secure", "__Host-a=b; Path=/; Secure"},
		{moved, "a=b; Domain=erp.internal; Path=/app", "a=b; Path=/erp"},
		{moved, "a=b; domain=.internal", "a=b"},
		{moved, "a=b; Domain=example.com", "a=b; Domain=example.com"},
		{moved, "a=b; Domain=app.example.com", "a=b; Domain=app.example.com"},
		{moved, "a=b; Domain=p.internal", "a=b; Domain=p.internal"}, // of neither: refused as before
	} {
		if got := row.m.cookie(row.in, "erp.internal", publicHost); got != row.want {
			t.Errorf("%v %s: got %s, want %s", *row.m, row.in, got, row.want)
		}
	}
	// One domain for both: the application means what it says.
	if got := moved.cookie("a=b; Domain=example.com", "erp.example.com", publicHost); got != "a=b; Domain=example.com" {
		t.Errorf("got %s", got)
	}
}

func TestARefreshIsAnAddressToo(t *testing.T) {
	m := &mapping{"/erp", "/app", "/bff"}
	for in, want := range map[string]string{
		"5; url=/app/x":          "5; url=/erp/x",
		"5;URL='/app/x?a;b'":     "5;URL='/erp/x?a;b'",
		`0, url="/app/x"`:        `0, url="/erp/x"`,
		"5":                      "5",
		"5; url=":                "5; url=",
		"5; url=x":               "5; url=x",
		"5; url=https://a/app/x": "5; url=https://a/app/x",
		"5; lru=/app/x":          "5; lru=/app/x",
	} {
		if got := m.refresh(in, "erp.internal:8080", publicHost); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
}

func TestAnApplicationThatLivesElsewhereFindsItsWayBack(t *testing.T) {
	up := api(t, func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Location", "http://"+r.Host+"/app/next")
		h.Set("Content-Location", "/app/this")
		h.Set("Refresh", "1; url=/app/soon")
		h.Add("Set-Cookie", "JSESSIONID=x; Path=/app")
		h.Add("Set-Cookie", "__Host-Http-cloakroom=stolen; Path=/")
		w.WriteHeader(http.StatusFound)
	})
	inner, whole := *up.url, *up.url
	inner.Path = "/app"
	f := open(t, []Route{
		{Path: "/erp/", StripPrefix: "/erp", Upstream: &inner, Access: Public},
		{Path: "/raw/", StripPrefix: "/raw", Upstream: &inner, Access: Public, Rewriting: Never},
		{Path: "/app/", Upstream: &whole, Access: Public},
		{Path: "/", Upstream: &whole, Access: Public, Rewriting: Always},
	})
	here := "http://" + up.url.Host
	for path, want := range map[string][]string{
		"/erp/": {"/erp/next", "/erp/this", "1; url=/erp/soon", "JSESSIONID=x; Path=/erp"},
		"/raw/": {here + "/app/next", "/app/this", "1; url=/app/soon", "JSESSIONID=x; Path=/app"},
		"/app/": {here + "/app/next", "/app/this", "1; url=/app/soon", "JSESSIONID=x; Path=/app"},
		"/any":  {"/app/next", "/app/this", "1; url=/app/soon", "JSESSIONID=x; Path=/app"},
	} {
		h := f.get(t, path).Header
		got := []string{h.Get("Location"), h.Get("Content-Location"), h.Get("Refresh"), strings.Join(h["Set-Cookie"], "|")}
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
	}
}
