package config_test

import (
	"slices"
	"strings"
	"testing"
)

// rich asks for authorization details on its first route.
var rich = strings.Replace(smallest, "    upstream", `    authorization_details:
      - type: payment
        amount: {value: 12.50, currency: "${env:CURRENCY}"}
        actions: [initiate, "7"]
        recurring: true
      - {type: account}
    upstream`, 1)

func TestDetailsAreWrittenInYAMLAndAskedForInJSON(t *testing.T) {
	t.Parallel()
	cfg, _ := load(t, rich, "CURRENCY=€")
	want := []string{`{"actions":["initiate","7"],"amount":{"currency":"€","value":12.50},"recurring":true,"type":"payment"}`, `{"type":"account"}`}
	if got := cfg.Routes[0].AuthorizationDetails; !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	text := string(cfg.YAML())
	const printed = `authorization_details: [{"type": "payment", "amount": {"value": 12.50, "currency": "${env:CURRENCY}"}, "actions": ["initiate", "7"], "recurring": true}, {"type": "account"}]`
	if !strings.Contains(text, printed) {
		t.Errorf("it is printed as\n%s", text)
	}
	again, _ := load(t, strings.Replace(text, `keys: ["[secret]"]`, `keys: ["${file:key}"]`, 1), "CURRENCY=€")
	if got := again.Routes[0].AuthorizationDetails; !slices.Equal(got, want) {
		t.Errorf("what was printed reads as %q", got)
	}
}

func TestDetailsAreAskedForInOnePlace(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ line, want string }{
		{"authorize_params: {authorization_details: x}", "routes[0].authorization_details: provider.authorize_params has some, too: write them in one of the two"},
		{"login_params: [authorization_details]", "routes[0].authorization_details: provider.login_params would let browsers ask for others: write them in one of the two"},
	} {
		got := complaints(t, strings.Replace(rich, "  client_id", "  "+row.line+"\n  client_id", 1), "CURRENCY=€")
		if !strings.HasSuffix(got, row.want) {
			t.Errorf("got %s", got)
		}
	}
	if cfg, _ := load(t, strings.Replace(smallest, "  client_id", "  login_params: [authorization_details]\n  client_id", 1)); len(cfg.Provider.LoginParams) != 1 {
		t.Error("where no route asks for any, a login may")
	}
}
