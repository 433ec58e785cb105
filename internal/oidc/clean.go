package oidc

import (
	"errors"
	"net/url"
	"regexp"
	"strings"
	"unicode"
)

// clean rids an error of the form's secrets and of what looks like one. The error loses
// its chain, since a link of that could still print them.
func (c *Client) clean(err error, form url.Values) error {
	if outer, ok := errors.AsType[*url.Error](err); ok {
		err = outer.Err // the endpoint is known from the configuration
	}
	return errors.New(c.cleanText(err.Error(), form, nil))
}

// cleanText rids a text of everything secret that was sent or received, of whatever is
// long enough to be a token, and of control characters; and bounds it.
func (c *Client) cleanText(text string, form url.Values, a *answer) string {
	secrets := []string{c.cfg.ClientSecret.Reveal()}
	for _, name := range []string{"refresh_token", "code", "code_verifier", "token", "subject_token", "actor_token", "client_assertion"} {
		secrets = append(secrets, form.Get(name))
	}
	if a != nil {
		for _, name := range []string{"access_token", "refresh_token", "id_token", "mfa_token"} {
			secrets = append(secrets, a.text(name))
		}
	}
	for _, s := range secrets {
		// A secret of a letter or two would mask the whole text; it hides in it, too.
		if len(s) > 3 {
			text = strings.ReplaceAll(text, s, masked)
			text = strings.ReplaceAll(text, url.QueryEscape(s), masked)
		}
	}
	return short(maskTokens(text))
}

const masked = "[masked]"

// maskTokens masks every run of 40 or more characters that tokens are made of. A UUID, by
// which providers' support finds an incident, has 36; a JWT has dots, and parts that are
// longer.
func maskTokens(text string) string {
	return regexp.MustCompile(`[A-Za-z0-9_~+/=%\-]{40,}`).ReplaceAllString(text, masked)
}

// short makes a text of somebody else's fit for a log line.
func short(text string) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
	const most = 300
	if r := []rune(text); len(r) > most {
		return string(r[:most]) + "…"
	}
	return text
}
