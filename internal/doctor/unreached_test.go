package doctor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Each way of not getting through has its own words.
func TestWhatKeptARequestFromGettingThroughIsNamed(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name          string
		stage         stage
		err           error
		found, remedy string
	}{
		{"no such name", lookingUp, &net.DNSError{Name: "id.example.com", IsNotFound: true}, "no resolver knows the name id.example.com", "correct the host"},
		{"a resolver that is slow", lookingUp, &net.DNSError{Name: "id.example.com", IsTimeout: true}, "took too long", "name service"},
		{"a resolver that is ill", lookingUp, &net.DNSError{Name: "id.example.com", Err: "server misbehaving"}, "server misbehaving", "name service"},
		{"a closed port", connecting, syscall.ECONNREFUSED, "nobody listens at id.example.com:8443", "start it"},
		{"no route", connecting, syscall.EHOSTUNREACH, "no way to id.example.com:8443", "routes and firewalls"},
		{"a firewall that drops", connecting, os.ErrDeadlineExceeded, "no answer within 3s, connecting", "firewalls"},
		{"TLS that stalls", handshaking, context.DeadlineExceeded, "in the TLS handshake", "firewalls"},
		{"a server that is silent", waiting, context.DeadlineExceeded, "waiting for the answer", "says nothing"},
		{"half an answer", reading, io.ErrUnexpectedEOF, "closed the connection, reading the answer", "log"},
		{"a server that hangs up", waiting, syscall.ECONNRESET, "closed the connection", "another protocol"},
		{"an alert", handshaking, &net.OpError{Op: "remote error", Err: errors.New("tls: certificate required")}, "certificate required", "client certificate"},
		{"something else", waiting, errors.New("strange"), "strange", "the other side's log"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			u := &unreached{address: "https://id.example.com:8443/x?y", stage: row.stage, within: 3 * time.Second, err: fmt.Errorf("get: %w", row.err)}
			found, remedy := u.explain("")
			if !strings.Contains(found, row.found) || !strings.Contains(remedy, row.remedy) {
				t.Errorf("%q → %q", found, remedy)
			}
		})
	}
}

func TestALineStaysALine(t *testing.T) {
	t.Parallel()
	var c chart
	c.fail("x", "two\nlines\x1b[2J\u202e", quote("<b>\n  "+strings.Repeat("é", 400)))
	l := c.lines[0]
	if strings.ContainsAny(l.Found+l.Remedy, "\n\x1b\u202e") || len([]rune(l.Remedy)) > 210 {
		t.Errorf("%q", l)
	}
}

func TestAVersionIsComparedByItsNumbers(t *testing.T) {
	t.Parallel()
	for version, old := range map[string]bool{"6.0.20": true, "5.0.7": true, "6.2.0": false, "6.10.1": false, "7.0.15": false, "255.255.255": false, "": false, "unstable": false} {
		if olderThan(version, 6, 2) != old {
			t.Errorf("%q: want %v", version, old)
		}
	}
}

func TestAProviderIsKnownByItsAddress(t *testing.T) {
	t.Parallel()
	for issuer, want := range map[string]string{
		"https://tenant.eu.auth0.com/":                      "auth0",
		"https://login.microsoftonline.com/9188040d/v2.0":   "entra",
		"https://example.okta.com/oauth2/default":           "okta",
		"https://accounts.google.com":                       "google",
		"https://cognito-idp.eu-west-1.amazonaws.com/eu_x":  "cognito",
		"https://sso.example.com/realms/shop":               "keycloak",
		"https://auth.example.com/application/o/shop/":      "authentik",
		"https://id.example.com":                            "",
		"https://auth0.com.example.com":                     "",
		"https://example.com/login.microsoftonline.com/x":   "",
		"https://notlogin.microsoftonline.com.evil.example": "",
	} {
		if got := likelyPreset(issuer); got != want {
			t.Errorf("%s is taken for %q, want %q", issuer, got, want)
		}
	}
}
