package proxy

import (
	"net/http"
	"strings"
	"testing"
)

func TestEveryPageOfOursCarriesItsHeaders(t *testing.T) {
	d := newDesk(t)
	_, ticket := d.begin(t, d.grant("alice"))
	signedIn := append(tab("none"), "Cookie", d.cookie(ticket))
	for name, row := range map[string]struct {
		path      string
		header    []string
		ancestors string
		opener    string
	}{
		"an error":        {"/bff/user", tab("none"), "'none'", "same-origin"},
		"nothing here":    {"/nothing", tab("none"), "'none'", "same-origin"},
		"the devices":     {"/bff/sessions", signedIn, "'none'", "same-origin"},
		"the hop":         {"/bff/login", tab("cross-site"), "'none'", ""}, // a sign-in in a window of its own
		"a front channel": {"/bff/frontchannel-logout", framedBy, "https://idp.example.net", "same-origin"},
		"json":            {"/bff/session", script, "", ""},
		"a redirect":      {"/bff/sessions", tab("none"), "", ""},
	} {
		res := d.do(t, http.MethodGet, row.path, row.header...)
		for header, want := range map[string]string{
			"Cache-Control":                "no-store",
			"X-Content-Type-Options":       "nosniff",
			"Referrer-Policy":              "no-referrer",
			"Cross-Origin-Resource-Policy": "same-origin",
			"Strict-Transport-Security":    "max-age=31536000",
			"Cross-Origin-Opener-Policy":   row.opener,
		} {
			if got := res.Header.Get(header); got != want {
				t.Errorf("%s: %s is %q, want %q", name, header, got, want)
			}
		}
		policy := res.Header.Get("Content-Security-Policy")
		switch {
		case row.ancestors == "" && policy == "":
		case !strings.HasPrefix(policy, "default-src 'none'; ") || !strings.HasSuffix(policy, "; frame-ancestors "+row.ancestors):
			t.Errorf("%s: the policy is %q", name, policy)
		case strings.Contains(policy, "unsafe"):
			t.Errorf("%s: the policy allows what is unsafe: %q", name, policy)
		}
	}
}

func TestPlainHTTPIsNotToldToBeStrict(t *testing.T) {
	h := newHouse(t)
	if got := h.browser(t).visit(t, "none", "/bff/session").Header.Get("Strict-Transport-Security"); got != "" {
		t.Errorf("Strict-Transport-Security on loopback http: %q", got)
	}
}
