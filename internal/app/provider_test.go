package app

import (
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/clientkey"
	"github.com/cloakroom-bff/cloakroom/internal/config"
	"github.com/cloakroom-bff/cloakroom/internal/secret"
)

// A key that is taken and goes nowhere is worse than one that is not known: each of the
// provider's changes what its client is told.
func TestEveryKeyOfTheProviderReachesItsClient(t *testing.T) {
	t.Parallel()
	elsewhere := []string{
		"Preset",         // it fills in the others
		"ClientKeyFile",  // it has been read
		"LoginParams",    // the gateway's
		"RevokeOnLogout", // the sessions'
	}
	roots := filepath.Join(t.TempDir(), "roots.pem")
	pair, err := clientkey.NewCertificate("ES256", "gateway", time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(roots, pair, 0o600); err != nil {
		t.Fatal(err)
	}
	keys, err := clientkey.Parse(pair)
	if err != nil {
		t.Fatal(err)
	}
	words := map[string]any{
		"CAFile": roots, "ClientKeys": keys, "ClientSecret": secret.New("x"), "ScopeOnRefresh": config.SendScope, "SenderConstrained": config.DPoP,
		"ClientAssertion.Audience": config.ForEndpoint, "ClientAssertion.Type": config.TypedJWT, "Profile": "fapi2",
	}
	cfg := &config.Config{PublicURL: &url.URL{Scheme: "https", Host: "app.example.com"}, BasePath: "/bff"}
	cfg.Provider.AllowedTenants = []string{"acme"}
	before, err := providerConfig(cfg)
	if err != nil {
		t.Fatal(err)
	}
	eachField(reflect.ValueOf(&cfg.Provider).Elem(), "", func(name string, v reflect.Value) {
		if slices.Contains(elsewhere, name) {
			return
		}
		old := reflect.New(v.Type()).Elem()
		old.Set(v)
		if word, ok := words[name]; ok {
			v.Set(reflect.ValueOf(word).Convert(v.Type()))
		} else {
			v.Set(another(t, name, v))
		}
		after, err := providerConfig(cfg)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if reflect.DeepEqual(before, after) {
			t.Errorf("provider's %s changes nothing of what its client is told", name)
		}
		v.Set(old)
	})
}

// eachField visits the fields of a section and of the sections in it.
func eachField(section reflect.Value, path string, visit func(string, reflect.Value)) {
	for field, v := range section.Fields() {
		if v.Kind() == reflect.Struct && v.Type() != reflect.TypeFor[secret.Text]() {
			eachField(v, path+field.Name+".", visit)
			continue
		}
		visit(path+field.Name, v)
	}
}

// another is a value that the field does not have.
func another(t *testing.T, name string, v reflect.Value) reflect.Value {
	t.Helper()
	var value any
	switch v.Interface().(type) {
	case bool:
		value = !v.Bool()
	case time.Duration:
		value = 7 * time.Second
	case []string:
		value = []string{"another"}
	case map[string]string:
		value = map[string]string{"another": "one"}
	default:
		if v.Kind() != reflect.String {
			t.Fatalf("%s is of a kind that this test does not know: tell it a value", name)
		}
		value = "another"
	}
	return reflect.ValueOf(value).Convert(v.Type())
}

func TestLoginsAskForWhatTheirRoutesNeed(t *testing.T) {
	t.Parallel()
	up := []*url.URL{{Scheme: "https", Host: "orders"}}
	route := func(token config.Token, access config.Access, resource string, details ...string) config.Route {
		return config.Route{Upstream: up, Token: token, Access: access, Resource: resource, AuthorizationDetails: details}
	}
	cfg := &config.Config{PublicURL: &url.URL{Scheme: "https", Host: "app.example.com"}, Routes: []config.Route{
		route(config.UserToken, config.Required, "urn:a", `{"type":"b"}`, `{"type":"a"}`),
		route(config.UserOrClientToken, config.Public, "urn:b", `{"type":"a"}`),
		route(config.UserToken, config.Optional, "urn:a"),
		route(config.UserToken, config.Public, "urn:nobody", `{"type":"nobody"}`),
		route(config.ClientToken, config.Required, "urn:client", `{"type":"client"}`),
		route(config.ExchangedToken, config.Required, "urn:traded", `{"type":"traded"}`),
		{Files: "dist", Token: config.UserToken, Resource: "urn:files"},
	}}
	got, err := providerConfig(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"urn:a", "urn:b"}; !slices.Equal(got.RouteResources, want) {
		t.Errorf("resources: %q", got.RouteResources)
	}
	if want := []string{`{"type":"b"}`, `{"type":"a"}`}; !slices.Equal(got.AuthorizationDetails, want) {
		t.Errorf("details: %q", got.AuthorizationDetails)
	}
	if got := targetOf(cfg.Routes[0]).Details; got != `[{"type":"a"},{"type":"b"}]` { // in one order, as scopes
		t.Errorf("the first route asks for %s", got)
	}
}
