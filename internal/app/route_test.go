package app

import (
	"fmt"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/config"
	"github.com/cloakroom-bff/cloakroom/internal/secret"
	"github.com/cloakroom-bff/cloakroom/proxy"
	"github.com/cloakroom-bff/cloakroom/session"
)

func TestARoutesTokenAndRequirementsAreWired(t *testing.T) {
	up := &url.URL{Scheme: "http", Host: "orders"}
	for written, want := range map[config.Token]proxy.TokenKind{
		config.UserToken: proxy.UserToken, config.ClientToken: proxy.ClientToken, config.UserOrClientToken: proxy.UserOrClientToken,
		config.ExchangedToken: proxy.ExchangedToken, config.Passthrough: proxy.Passthrough, config.NoToken: proxy.NoToken,
	} {
		if got := newRoute(config.Route{Upstream: []*url.URL{up}, Token: written}).Token; got != want {
			t.Errorf("%s is %v", written, got)
		}
	}
	got := newRoute(config.Route{
		Upstream: []*url.URL{up}, Audience: "orders", Resource: "urn:r", Scopes: []string{"write", "read"},
		Require: config.Require{Scopes: []string{"read"}, Claims: map[string][]string{"groups": {"staff"}}, ACR: " phr  phrh", MaxAge: time.Hour},
	})
	// In one order, so that two routes that ask for the same share a token.
	if want := (session.Target{Audience: "orders", Resource: "urn:r", Scope: "read write"}); got.Target != want {
		t.Errorf("asks for %v", got.Target)
	}
	if want := (proxy.Require{Scopes: []string{"read"}, Claims: map[string][]string{"groups": {"staff"}}, ACR: []string{"phr", "phrh"}, MaxAge: time.Hour}); !reflect.DeepEqual(got.Require, want) {
		t.Errorf("requires %v", got.Require)
	}
}

func TestARoutesCredentialIsWiredAndPrintsNowhere(t *testing.T) {
	up := &url.URL{Scheme: "http", Host: "orders"}
	for _, row := range []struct {
		auth config.UpstreamAuth
		want string
	}{
		{config.UpstreamAuth{}, ""},
		{config.UpstreamAuth{User: secret.New("Aladdin"), Password: secret.New("open sesame")}, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="}, // RFC 7617 §2
		{config.UpstreamAuth{User: secret.New("key")}, "Basic a2V5Og=="},
		{config.UpstreamAuth{Authorization: secret.New("ApiKey k")}, "ApiKey k"},
	} {
		got := newRoute(config.Route{Upstream: []*url.URL{up}, Token: config.NoToken, UpstreamAuth: row.auth})
		if got.Authorization.Reveal() != row.want {
			t.Errorf("got %q, want %q", got.Authorization.Reveal(), row.want)
		}
		if text := fmt.Sprintf("%v %+v %#v", got, got, got); row.want != "" && strings.Contains(text, row.want) {
			t.Errorf("it prints: %s", text)
		}
	}
}
