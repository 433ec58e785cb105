package devidp

import (
	"cmp"
	"crypto/subtle"
	"encoding/base64"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// readForm holds a request to the token or revocation endpoint to the letter of RFC 6749
// §3.2 and a little beyond: a form in the body and nowhere else, no parameter twice, none
// empty.
func readForm(r *http.Request) (url.Values, error) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/x-www-form-urlencoded" {
		return nil, refuse("invalid_request", "send application/x-www-form-urlencoded")
	}
	if r.URL.RawQuery != "" {
		return nil, refuse("invalid_request", "parameters belong into the body, not into the URL")
	}
	for name, values := range r.PostForm {
		if len(values) > 1 && name != "resource" {
			return nil, refuse("invalid_request", "a parameter came twice")
		}
		if slices.Contains(values, "") {
			return nil, refuse("invalid_request", "a parameter came empty; leave it out")
		}
	}
	return r.PostForm, nil
}

// credentials are what a request says of its client, by one method.
type credentials struct {
	id, secret string
	method     ClientAuth
	word       *assertion // of the methods by JWT; else nil
}

// readCredentials refuses two methods in one request.
func readCredentials(r *http.Request, form url.Values) (c credentials, err error) {
	c.id, c.secret, c.method = form.Get("client_id"), form.Get("client_secret"), NoAuth
	header := r.Header.Values("Authorization")
	asserts := form.Has("client_assertion") || form.Has("client_assertion_type")
	switch {
	case len(header) > 1, len(header) > 0 && c.secret != "", asserts && (len(header) > 0 || c.secret != ""):
		return c, refuse("invalid_request", "two methods of client authentication in one request")
	case asserts:
		if c.word, err = readAssertion(form); err != nil {
			return c, err
		}
		c.id, c.method = c.word.Subject, c.word.method
	case len(header) > 0:
		c.method = BasicAuth
		if c.id, c.secret, err = readBasic(header[0]); err != nil {
			return c, err
		}
	case c.secret != "":
		c.method = PostAuth
	}
	if inBody := form.Get("client_id"); inBody != "" && inBody != c.id {
		return c, refuse("invalid_request", "two client ids in one request")
	}
	return c, nil
}

// authenticate finds the client that sent a request, by exactly one method.
func (p *Provider) authenticate(r *http.Request, form url.Values) (Client, error) {
	c, err := readCredentials(r, form)
	if err != nil {
		return Client{}, err
	}
	k := p.turned()
	p.mu.Lock()
	client, ok := p.clients[c.id]
	p.mu.Unlock()
	only := cmp.Or(k.TokenAuth, client.Auth)
	if c.method == NoAuth && (only == MutualTLS || only == SelfSignedTLS) {
		c.method = only // the form says no more than who it is
	}
	switch {
	case only != "" && c.method != only:
		return Client{}, badClient("authenticate by the method " + string(only))
	case !ok:
		return Client{}, badClient("no such client")
	case c.word != nil:
		return client, p.verifyAssertion(r, c.word, client)
	case c.method == MutualTLS || c.method == SelfSignedTLS:
		return client, p.verifyCertificate(r, c.method, client)
	case c.method == NoAuth && k.TokenAuth == NoAuth:
		return client, nil
	case c.method == NoAuth && client.Secret != "":
		return Client{}, badClient("this client has a secret and must send it")
	case subtle.ConstantTimeCompare([]byte(c.secret), []byte(client.Secret)) != 1:
		return Client{}, badClient("the secret is wrong")
	}
	return client, nil
}

func badClient(why string) *Refusal {
	return &Refusal{Status: http.StatusUnauthorized, Code: "invalid_client", Description: why}
}

// readBasic reads client credentials, which are form-urlencoded before they are put into
// the Basic scheme (RFC 6749 §2.3.1). Credentials that were not encoded are refused, even
// where one could guess what was meant.
func readBasic(header string) (id, secret string, err error) {
	scheme, encoded, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "Basic") {
		return "", "", badClient("the Authorization header is not Basic")
	}
	pair, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return "", "", badClient("the Basic credentials are no base64")
	}
	first, second, ok := strings.Cut(string(pair), ":")
	if !ok {
		return "", "", badClient("the Basic credentials have no colon")
	}
	if id, err = formDecode(first); err != nil {
		return "", "", err
	}
	if secret, err = formDecode(second); err != nil {
		return "", "", err
	}
	return id, secret, nil
}

func formDecode(s string) (string, error) {
	if !isAlphanumeric(s, "-._~*+%") {
		return "", badClient("form-urlencode id and secret before base64 (RFC 6749 section 2.3.1)")
	}
	text, err := url.QueryUnescape(s)
	if err != nil {
		return "", badClient("id or secret is not form-urlencoded")
	}
	return text, nil
}

// isAlphanumeric reports whether s is of ASCII letters, digits and these others.
func isAlphanumeric(s, others string) bool {
	return !strings.ContainsFunc(s, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune(others, c)
	})
}

// RotateClientSecret gives a client another secret, and returns it. The old one is wrong
// from now on. It returns false if there is no such client, or if it is a public one.
func (p *Provider) RotateClientSecret(id string) (secret string, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	client, ok := p.clients[id]
	if !ok || client.Secret == "" {
		return "", false
	}
	client.Secret = random()
	p.clients[id] = client
	p.books.mint(client.Secret, p.knobs.keep())
	return client.Secret, true
}
