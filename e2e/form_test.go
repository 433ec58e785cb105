//go:build e2e

package e2e

import (
	"html"
	"net/http"
	"net/url"
	"regexp"
	"testing"
)

var (
	formAction  = regexp.MustCompile(`(?i)<form[^>]*\saction=["']?([^"'\s>]*)`)
	hiddenInput = regexp.MustCompile(`(?i)<input[^>]*type=["']?hidden[^>]*>`)
	inputName   = regexp.MustCompile(`(?i)\sname=["']?([^"'\s>]*)`)
	inputValue  = regexp.MustCompile(`(?i)\svalue=["']([^"']*)`)
)

// fillIn sends the only form of a page with its hidden fields and one more.
func (b *browser) fillIn(p page, name, value string) page {
	b.t.Helper()
	fields := url.Values{name: {value}}
	for _, input := range hiddenInput.FindAllString(p.body, -1) {
		n, v := inputName.FindStringSubmatch(input), inputValue.FindStringSubmatch(input)
		if n != nil && v != nil {
			fields.Set(html.UnescapeString(n[1]), html.UnescapeString(v[1]))
		}
	}
	action := p.url.String()
	if a := formAction.FindStringSubmatch(p.body); a != nil {
		action = html.UnescapeString(a[1])
	}
	return b.submit(p, action, fields)
}

// signIn goes to the login, fills in the provider's form and comes back to path.
func (b *browser) signIn(login, path string) page {
	b.t.Helper()
	form := b.visit(b.home + "/bff/login?returnUrl=" + url.QueryEscape(path))
	if form.status != http.StatusOK || form.url.Hostname() != "127.0.0.1" {
		b.t.Fatalf("no sign-in form at the provider: %d at %s\n%s", form.status, form.url.Redacted(), form.body)
	}
	return b.fillIn(form, "login", login)
}

// mustSignIn is signIn where anything else is the end of the test.
func (b *browser) mustSignIn(t *testing.T, login string) {
	t.Helper()
	p := b.signIn(login, "/welcome?to=us")
	if p.status != http.StatusOK || p.url.String() != b.home+"/welcome?to=us" || b.ticket() == "" {
		t.Fatalf("the sign-in ended with %d at %s, ticket %t\n%s", p.status, p.url.Redacted(), b.ticket() != "", p.body)
	}
}
