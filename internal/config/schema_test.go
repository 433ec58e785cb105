package config_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/cloakroom-bff/cloakroom/internal/config"
)

// schemaKeys returns the full name of every key, from the schema.
func schemaKeys(t testing.TB) []string {
	t.Helper()
	var schema map[string]any
	if err := json.Unmarshal(config.Schema(), &schema); err != nil {
		t.Fatal(err)
	}
	var names []string
	walkSchema(schema, "", func(name string, _ map[string]any) { names = append(names, name) })
	slices.Sort(names)
	return names
}

// walkSchema visits every property below a schema.
func walkSchema(schema map[string]any, path string, visit func(string, map[string]any)) {
	if items, ok := schema["items"].(map[string]any); ok {
		schema, path = items, strings.TrimSuffix(path, ".")+"[]."
	}
	properties, _ := schema["properties"].(map[string]any)
	for name, value := range properties {
		property := value.(map[string]any)
		visit(path+name, property)
		walkSchema(property, path+name+".", visit)
	}
}

// documented is every key of the documentation's long example.
const documented = `public_url listen tls.cert_file tls.key_file max_connections drain.stop drain.restart admin.listen admin.token forward_auth.listen
post_logout_url base_path trusted_proxies cors.origins provider.preset provider.profile provider.issuer provider.issuers
provider.issuer_template provider.allowed_tenants provider.discovery_url provider.client_id
provider.client_secret provider.client_auth provider.client_key_file provider.client_assertion.audience provider.client_assertion.typ provider.sender_constrained provider.scopes provider.scope_on_refresh
provider.audience provider.resource provider.authorize_params provider.login_params provider.logout provider.logout_hint
provider.revoke_on_logout provider.id_token_hint provider.userinfo provider.endpoints.authorization
provider.endpoints.token provider.endpoints.jwks provider.endpoints.revocation
provider.endpoints.end_session provider.endpoints.userinfo provider.endpoints.pushed_authorization_request provider.par provider.jar provider.response_mode provider.timeout provider.clock_skew
provider.ca_file session.store session.keys session.cookie.name session.cookie.same_site
session.cookie.persistent session.idle_timeout session.absolute_timeout session.max_per_user
session.store_grace session.cache session.expiry_claim session.wait_replicas session.refresh.before_expiry session.refresh.wait
session.refresh.rate session.refresh.unknown_outcome signals.issuer signals.audience signals.jwks_url signals.authorization signals.events routes[].path routes[].host routes[].methods routes[].upstream routes[].files
routes[].strip_prefix routes[].rewrite_answers routes[].access routes[].token routes[].audience routes[].resource routes[].scopes routes[].authorization_details routes[].actor
routes[].require.scopes routes[].require.claims routes[].require.acr routes[].require.max_age
routes[].unauthenticated routes[].headers.set routes[].headers.remove routes[].upstream_auth.basic.user routes[].upstream_auth.basic.password
routes[].upstream_auth.authorization routes[].assertion.header routes[].assertion.audience routes[].assertion.claims routes[].timeout routes[].stream_max_age routes[].max_body
routes[].csrf routes[].background routes[].allow_bearer routes[].encoded_slashes
routes[].upstream_tls.ca_file routes[].upstream_tls.cert_file routes[].upstream_tls.key_file
routes[].upstream_tls.server_name routes[].balance.sticky routes[].balance.health_path routes[].balance.health_interval log.level log.format telemetry.otlp_endpoint`

func TestTheSchemaHasEveryDocumentedKeyAndNoOther(t *testing.T) {
	t.Parallel()
	want := strings.Fields(documented)
	groups := map[string]bool{}
	for _, name := range want {
		for i, c := range name {
			if c == '.' {
				groups[strings.TrimSuffix(name[:i], "[]")] = true
			}
		}
	}
	got := schemaKeys(t)
	for _, name := range want {
		if !slices.Contains(got, name) {
			t.Errorf("the schema has no %s", name)
		}
	}
	for _, name := range got {
		if !slices.Contains(want, name) && !groups[name] {
			t.Errorf("the schema has %s, which is not documented", name)
		}
	}
}

func TestTheSchemaDescribesEveryKeyAndItsDefault(t *testing.T) {
	t.Parallel()
	var schema map[string]any
	if err := json.Unmarshal(config.Schema(), &schema); err != nil {
		t.Fatal(err)
	}
	if schema["$schema"] != "https://json-schema.org/draft/2020-12/schema" || schema["additionalProperties"] != false {
		t.Errorf("the head is %v, %v", schema["$schema"], schema["additionalProperties"])
	}
	without := []string{"public_url", "provider.issuer", "provider.client_id", "session.keys", "routes", "routes[].path", "routes[].upstream"}
	walkSchema(schema, "", func(name string, property map[string]any) {
		if d, _ := property["description"].(string); !strings.HasSuffix(d, ".") && !strings.HasSuffix(d, "…") {
			t.Errorf("%s is described as %q", name, d)
		}
		_, group := property["properties"]
		if _, ok := property["default"]; ok == (group || slices.Contains(without, name)) {
			t.Errorf("%s: has a default: %v", name, ok)
		}
	})
	for path, want := range map[string]any{"listen": ":8080", "base_path": "/bff"} {
		if got := schema["properties"].(map[string]any)[path].(map[string]any)["default"]; got != want {
			t.Errorf("the default of %s is %v, want %v", path, got, want)
		}
	}
}
