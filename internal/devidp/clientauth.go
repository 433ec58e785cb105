package devidp

import (
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

// authenticate finds the client that sent a request, by exactly one method.
func (p *Provider) authenticate(r *http.Request, form url.Values) (Client, error) {
	k := p.turned()
	id, secret := form.Get("client_id"), form.Get("client_secret")
	method := PostAuth
	if secret == "" {
		method = NoAuth
	}
	if header := r.Header.Values("Authorization"); len(header) > 0 {
		if len(header) > 1 || secret != "" || form.Has("client_assertion") {
			return Client{}, refuse("invalid_request", "two methods of client authentication in one request")
		}
		var err error
		method = BasicAuth
		inBody := id
		if id, secret, err = readBasic(header[0]); err != nil {
			return Client{}, err
		}
		if inBody != "" && inBody != id {
			return Client{}, refuse("invalid_request", "two client ids in one request")
		}
	}
	if k.TokenAuth != "" && method != k.TokenAuth {
		return Client{}, badClient("authenticate by the method " + string(k.TokenAuth))
	}
	p.mu.Lock()
	client, ok := p.clients[id]
	p.mu.Unlock()
	switch {
	case !ok:
		return Client{}, badClient("no such client")
	case method == NoAuth && k.TokenAuth == NoAuth:
		return client, nil
	case method == NoAuth && client.Secret != "":
		return Client{}, badClient("this client has a secret and must send it")
	case subtle.ConstantTimeCompare([]byte(secret), []byte(client.Secret)) != 1:
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
