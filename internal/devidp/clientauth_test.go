package devidp_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/cloakroom-bff/cloakroom/internal/devidp"
)

func TestClientsAuthenticateByExactlyOneMethod(t *testing.T) {
	t.Parallel()
	post := func(id, secret string) func(*http.Request, url.Values) {
		return func(_ *http.Request, f url.Values) { f.Set("client_id", id); f.Set("client_secret", secret) }
	}
	raw := func(header string) func(*http.Request, url.Values) {
		return func(r *http.Request, _ url.Values) { r.Header.Set("Authorization", header) }
	}
	good := basic("app:1", secret)
	for _, row := range []struct {
		name  string
		knobs devidp.Knobs
		auth  func(*http.Request, url.Values)
		want  string // the error, empty for none that has to do with the client
	}{
		{"basic", devidp.Knobs{}, good, ""},
		{"basic, with the id in the form", devidp.Knobs{}, func(r *http.Request, f url.Values) { good(r, f); f.Set("client_id", "app:1") }, ""},
		{"post", devidp.Knobs{}, post("app:1", secret), ""},
		{"a public client", devidp.Knobs{}, func(_ *http.Request, f url.Values) { f.Set("client_id", "public") }, ""},
		{"nothing", devidp.Knobs{}, func(*http.Request, url.Values) {}, "invalid_client"},
		{"no secret", devidp.Knobs{}, func(_ *http.Request, f url.Values) { f.Set("client_id", "app:1") }, "invalid_client"},
		{"a wrong secret", devidp.Knobs{}, basic("app:1", "guess"), "invalid_client"},
		{"an unknown client", devidp.Knobs{}, basic("nobody", secret), "invalid_client"},
		{"two methods", devidp.Knobs{}, func(r *http.Request, f url.Values) { good(r, f); post("app:1", secret)(r, f) }, "invalid_request"},
		{"two ids", devidp.Knobs{}, func(r *http.Request, f url.Values) { good(r, f); f.Set("client_id", "other") }, "invalid_request"},
		{"two headers", devidp.Knobs{}, func(r *http.Request, f url.Values) {
			good(r, f)
			r.Header.Add("Authorization", r.Header.Get("Authorization"))
		}, "invalid_request"},
		{"an empty secret", devidp.Knobs{}, post("public", ""), "invalid_request"},
		{"a secret for a public client", devidp.Knobs{}, post("public", "x"), "invalid_client"},
		{"credentials that were not encoded", devidp.Knobs{}, func(r *http.Request, _ url.Values) { r.SetBasicAuth("app:1", secret) }, "invalid_client"},
		{"a slash and a letter that were not encoded", devidp.Knobs{}, func(r *http.Request, _ url.Values) { r.SetBasicAuth("app%3A1", "s3cret%3A+%25+%2B+/+ü") }, "invalid_client"},
		{"another scheme", devidp.Knobs{}, raw("Bearer abc"), "invalid_client"},
		{"no base64", devidp.Knobs{}, raw("Basic ???"), "invalid_client"},
		{"no colon", devidp.Knobs{}, raw("Basic YWJj"), "invalid_client"},
		{"post where basic is demanded", devidp.Knobs{TokenAuth: devidp.BasicAuth}, post("app:1", secret), "invalid_client"},
		{"basic where post is demanded", devidp.Knobs{TokenAuth: devidp.PostAuth}, good, "invalid_client"},
		{"a secret where none is demanded", devidp.Knobs{TokenAuth: devidp.NoAuth}, good, "invalid_client"},
		{"none where none is demanded", devidp.Knobs{TokenAuth: devidp.NoAuth}, func(_ *http.Request, f url.Values) { f.Set("client_id", "app:1") }, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			p := newParty(t, row.knobs)
			p.auth = row.auth
			// Whoever gets past the door is told that the token is unknown.
			r := p.refresh("unknown")
			if want := row.want; want == "" {
				p.mustRefuse(r, "invalid_grant")
			} else {
				p.mustRefuse(r, want)
			}
			if r.str("error") == "invalid_client" && (r.status != http.StatusUnauthorized || !strings.HasPrefix(r.header.Get("WWW-Authenticate"), "Basic ")) {
				t.Errorf("status %d, challenge %q", r.status, r.header.Get("WWW-Authenticate"))
			}
		})
	}
}

func TestATokenRequestIsAFormInTheBody(t *testing.T) {
	t.Parallel()
	p := newParty(t, devidp.Knobs{})
	for _, row := range []struct{ name, path, kind, body string }{
		{"parameters in the URL", "/token?grant_type=refresh_token", "application/x-www-form-urlencoded", "refresh_token=x"},
		{"JSON", "/token", "application/json", `{"grant_type":"refresh_token"}`},
		{"no type", "/token", "", "grant_type=refresh_token"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.endpoint(row.path), strings.NewReader(row.body))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", row.kind)
			r, err := p.do(req)
			if err != nil {
				t.Fatal(err)
			}
			p.mustRefuse(r, "invalid_request")
		})
	}
	if r := p.get(p.endpoint("/token")); r.status != http.StatusMethodNotAllowed {
		t.Errorf("GET: status %d, want 405", r.status)
	}
}

func TestAClientSecretCanChange(t *testing.T) {
	t.Parallel()
	p := newParty(t, devidp.Knobs{})
	rt := p.login().str("refresh_token")
	fresh, ok := p.idp.RotateClientSecret("app:1")
	if !ok {
		t.Fatal("no such client")
	}
	p.mustRefuse(p.refresh(rt), "invalid_client")
	p.auth = basic("app:1", fresh)
	p.mustRefresh(rt) // the refused request used nothing up
	if _, ok := p.idp.RotateClientSecret("public"); ok {
		t.Error("a public client got a secret")
	}
}
