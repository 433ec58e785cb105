package proxy

import (
	"net/http"
	"slices"
	"testing"
)

func TestAnUpstreamOpensNoPasswordBox(t *testing.T) {
	for _, row := range []struct {
		name     string
		in, want []string
	}{
		{"Basic", []string{`Basic realm="erp"`}, nil},
		{"in small letters", []string{`basic realm="erp", charset="UTF-8"`}, nil},
		{"Digest", []string{`Digest realm="a, Bearer b", nonce="x", qop="auth, auth-int"`}, nil},
		{"tickets of Windows", []string{"Negotiate", "NTLM"}, nil},
		{"with a token68", []string{"Negotiate oYG2MIGz", "NTLM TlRMTVNTUAAC=="}, nil},
		{"Bearer stays", []string{`Bearer realm="api", error="invalid_token"`}, []string{`Bearer realm="api", error="invalid_token"`}},
		{"one of two in a line", []string{`Basic realm="erp", Bearer realm="api", scope="a b"`}, []string{`Bearer realm="api", scope="a b"`}},
		{"the other way round", []string{`Bearer error="x", Basic realm="erp"`}, []string{`Bearer error="x"`}},
		{"one of two lines", []string{`Basic realm="erp"`, `DPoP algs="ES256"`}, []string{`DPoP algs="ES256"`}},
		{"nonsense beside a box", []string{`Basic realm="erp", ==`}, nil},
		{"nonsense alone", []string{`==`}, []string{`==`}},
	} {
		if got := withoutBoxes(row.in); !slices.Equal(got, row.want) {
			t.Errorf("%s: got %q, want %q", row.name, got, row.want)
		}
	}
}

func TestAnUpstreamDoesNotSpeakForTheOriginThatAllShare(t *testing.T) {
	up := api(t, func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("WWW-Authenticate", `Basic realm="erp"`)
		for _, v := range r.URL.Query()["clear"] {
			h.Add("Clear-Site-Data", v)
		}
		h.Set("Strict-Transport-Security", "max-age=1")
		h.Set("Access-Control-Allow-Origin", "*")
		w.WriteHeader(http.StatusUnauthorized)
	})
	f := open(t, []Route{
		{Path: "/", Upstream: up.url, Access: Public},
		{Path: "/own/", Upstream: up.url, Access: Public, Token: Passthrough},
	})
	for clear, want := range map[string]string{
		`?clear="cookies"`: "",
		`?clear="*"`:       "",
		`?clear="cache",%20"cookies",%20"storage"`:   `"cache", "storage"`,
		`?clear="cookies"&clear="executionContexts"`: `"executionContexts"`,
		`?clear="cache"`: `"cache"`,
		"":               "",
	} {
		h := f.get(t, "/"+clear).Header
		if got := h.Get("Clear-Site-Data"); got != want {
			t.Errorf("%s: Clear-Site-Data is %q, want %q", clear, got, want)
		}
		if h["Www-Authenticate"] != nil || h.Get("Strict-Transport-Security") != "max-age=1" || h.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%v", h)
		}
	}
	// Where a client's own credentials go on, so does the challenge.
	if got := f.get(t, "/own/").Header.Get("Www-Authenticate"); got != `Basic realm="erp"` {
		t.Errorf("passthrough: %q", got)
	}
}
