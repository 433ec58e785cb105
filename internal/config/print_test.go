package config_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cloakroom-bff/cloakroom/internal/config"
)

// guarded is a file with a secret wherever there can be one.
const guarded = `public_url: https://app.example.com
admin: {listen: ":9090", token: literal-admin-token}
provider:
  issuer: ${env:ISSUER}
  client_id: app
  client_secret: literal-client-secret
  authorize_params: {connection: "${env:SECRET}"}
session:
  keys: ["${env:KEY}", "bGl0ZXJhbC1rZXktbGl0ZXJhbC1rZXktbGl0ZXJhbC0="]
routes:
  - path: /api/
    upstream: https://orders
    headers:
      set: {X-Key: literal-api-key, X-Other: "${env:SECRET}", X-User: "{claims.sub}"}
  - path: /erp/
    upstream: https://erp
    token: none
    upstream_auth: {basic: {user: literal-erp-user, password: literal-erp-password}}
  - path: /crm/
    upstream: https://crm
    token: none
    upstream_auth: {authorization: ApiKey literal-crm-key}
`

const secretFromEnv = "environment-secret"

// exposed returns the first secret of guarded that out shows.
func exposed(out, key string) string {
	for _, s := range []string{"literal-admin-token", "literal-client-secret", "literal-api-key", "literal-erp-user", "literal-erp-password", "literal-crm-key", "bGl0ZXJhbC1rZXkt", "literal-key", secretFromEnv, key} {
		if strings.Contains(out, s) || strings.Contains(out, fmt.Sprintf("%x", s)) || strings.Contains(out, strings.Trim(fmt.Sprintf("%d", []byte(s)), "[]")) {
			return s
		}
	}
	return ""
}

func TestAConfigPrintsNoSecret(t *testing.T) {
	t.Parallel()
	key := config.NewKey()
	c, warnings := load(t, guarded, "KEY="+key, "SECRET="+secretFromEnv, "ISSUER=https://login.example.com")
	// A parameter of the authorization request is seen by the browser, so it is no secret.
	c.Provider.AuthorizeParams = nil
	var logged bytes.Buffer
	for _, h := range []slog.Handler{slog.NewTextHandler(&logged, nil), slog.NewJSONHandler(&logged, nil)} {
		slog.New(h).Info("loaded", "config", c, "provider", c.Provider, "session", c.Session, "routes", c.Routes)
	}
	encoded, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	outs := map[string]string{"yaml": string(c.YAML()), "json": string(encoded), "slog": logged.String(), "warnings": fmt.Sprint(warnings)}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		outs[verb] = fmt.Sprintf(verb, c) + fmt.Sprintf(verb, *c) + fmt.Sprintf(verb, c.Session)
	}
	for name, out := range outs {
		if s := exposed(out, key); s != "" {
			t.Errorf("%s shows %s:\n%s", name, s, out)
		}
	}
}

func TestNoErrorHoldsASecret(t *testing.T) {
	t.Parallel()
	key := config.NewKey()
	for _, broken := range []struct{ old, new string }{
		{"literal-client-secret", "[literal-client-secret]"},
		{"literal-client-secret", `"literal-client-secret`},
		{"literal-client-secret", "@literal-client-secret"},
		{"literal-client-secret", "literal-client-secret: literal-client-secret"},
		{"client_secret: literal", "client_secrt: literal"},
		{"bGl0ZXJhbC1rZXktbGl0ZXJhbC1rZXktbGl0ZXJhbC0=", "bGl0ZXJhbC1rZXkt!"},
		{"issuer: ${env:ISSUER}", "issuer: ${env:SECRET}"},
		{"client_id: app", "client_id: app\n  timeout: ${env:SECRET}"},
		{"client_id: app", "client_id: app\n  logout: ${env:SECRET}"},
		{"client_id: app", "client_id: app\n  scopes: [openid, \"${env:SECRET} x\"]"},
		{"client_id: app", "client_id: app\n  login_params: [\"${env:SECRET} x\"]"},
		{"https://orders", "https://${env:SECRET}:x"},
		{"path: /api/", "path: ${env:SECRET}"},
		{"path: /api/", "path: /${env:SECRET}\n    strip_prefix: /x"},
		{"path: /api/", "path: /api/\n    methods: [\"${env:SECRET}\"]"},
		{"https://orders", "http://${env:SECRET}:1\n    csrf: insecure_off\n    timeout: x"},
		{"https://orders", "https://u:literal-client-secret@orders"},
		{"https://orders", "htps://u:literal-client-secret@orders"},
		{"literal-api-key", "literal-api-key{"},
		{"literal-erp-user", "\"literal-erp-user:\""},
		{"literal-erp-password", "literal-erp-password}, authorization: {x: literal-crm-key"},
		{"{authorization: ApiKey literal-crm-key}", "{authorization: ApiKey literal-crm-key, basic: {user: literal-erp-user}}"},
		{"keys:", "store: redis://:literal-client-secret@\n  keys:"},
		{"keys:", "store: \"redis://:literal-client-secret@ x\"\n  keys:"},
		{"keys:", "store: literal-client-secret\n  keys:"},
	} {
		text := strings.Replace(guarded, broken.old, broken.new, 1)
		got := complaints(t, text, "KEY="+key, "SECRET="+secretFromEnv, "ISSUER=https://login.example.com")
		if s := exposed(got, key); s != "" {
			t.Errorf("%s: the error shows %s:\n%s", broken.new, s, got)
		}
	}
}

// What is printed is a configuration again: with its secrets put back it says the same.
func TestThePrintedConfigurationLoadsAgain(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{"smallest": smallest, "with null groups": smallest + "log:\nadmin:\n  # nothing\n"} {
		c, _ := load(t, text, "CLOAKROOM_PROVIDER_SCOPES=openid,email", "CLOAKROOM_LOG_LEVEL=debug")
		printed := string(c.YAML())
		for _, want := range []string{"client_secret: \"[secret]\"\n", "keys: [\"[secret]\"]\n", "scopes: [\"openid\", \"email\"]\n", "level: \"debug\"\n", "  - path: \"/api/\"\n"} {
			if !strings.Contains(printed, want) {
				t.Errorf("%s: no %q in\n%s", name, want, printed)
			}
		}
		restored := strings.Replace(strings.Replace(printed, `["[secret]"]`, `["${file:key}"]`, 1), `"[secret]"`, "${env:CLIENT_SECRET}", 1)
		again, _ := load(t, restored)
		if string(again.YAML()) != printed {
			t.Errorf("%s: printed\n%s\nand then\n%s", name, printed, again.YAML())
		}
	}
}

func TestThePrintedExampleIsGolden(t *testing.T) {
	t.Parallel()
	c, _, err := config.Load("../../config.yaml", environ("SESSION_KEY="+config.NewKey()))
	if err != nil {
		t.Fatal(err)
	}
	golden := filepath.Join("testdata", "example.golden")
	if *update {
		if err := os.WriteFile(golden, c.YAML(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != string(c.YAML()) {
		t.Errorf("got\n%s\nwant\n%s", c.YAML(), want)
	}
}
