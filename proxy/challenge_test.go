package proxy

import (
	"maps"
	"testing"
)

func TestOnlyABearerTokenThatIsNoGoodIsReplaced(t *testing.T) {
	for _, row := range []struct {
		lines []string
		want  bool
	}{
		{nil, false},
		{[]string{""}, false},
		{[]string{`Bearer`}, true},
		{[]string{`bearer realm="api"`}, true},
		{[]string{`Bearer realm="api", error="invalid_token", error_description="The token expired"`}, true},
		{[]string{`Bearer error=invalid_token`}, true},
		{[]string{`Bearer  Error = "invalid_token" , realm=x`}, true},
		{[]string{`Basic realm="a, Bearer error=\"invalid_token\"", Bearer error="invalid_token"`}, true},
		{[]string{`Basic realm="x"`, `Bearer`}, true},
		{[]string{`Negotiate dG9rZW4=, Bearer`}, true},
		{[]string{`Bearer, Basic realm="x"`}, true},
		{[]string{`Bearer error="insufficient_user_authentication", acr_values="gold"`}, false},
		{[]string{`Bearer error="insufficient_scope"`}, false},
		{[]string{`Bearer error="invalid_token"`, `Bearer error="insufficient_scope"`}, false},
		{[]string{`Bearer error="invalid_request"`}, false},
		{[]string{`Basic realm="Bearer"`}, false},
		{[]string{`Basic realm="x", error="invalid_token"`}, false},
		{[]string{`DPoP error="invalid_token"`}, false},
		{[]string{`Basic realm="no end, Bearer`}, false},
		{[]string{`"Bearer"`}, false},
		{[]string{`Bearer error="invalid_\token"`}, true}, // a quoted-pair
	} {
		if got := refusesToken(row.lines); got != row.want {
			t.Errorf("%q: got %v", row.lines, got)
		}
	}
}

func TestAnUpstreamsDemandIsReadFromItsChallenge(t *testing.T) {
	const (
		claims  = `{"access_token":{"nbf":{"essential":true,"value":"1604106651"}}}`
		encoded = "eyJhY2Nlc3NfdG9rZW4iOnsibmJmIjp7ImVzc2VudGlhbCI6dHJ1ZSwidmFsdWUiOiIxNjA0MTA2NjUxIn19fQ=="
	)
	for _, row := range []struct {
		line   string
		claims bool
		want   map[string]string
	}{
		{`Bearer error="insufficient_user_authentication", error_description="A different level, max_age=\"1\"", acr_values="gold platinum", max_age="5"`, false, map[string]string{"acr_values": "gold platinum", "max_age": "5"}},
		{`Basic realm="x", bearer ERROR=insufficient_user_authentication,Max_Age=5`, false, map[string]string{"max_age": "5"}},
		{`Bearer error="insufficient_user_authentication"`, false, nil},
		{`Bearer error="insufficient_user_authentication", max_age="soon", acr_values="gold"`, false, map[string]string{"acr_values": "gold"}},
		{`Bearer error="insufficient_user_authentication", max_age="-1"`, false, nil},
		{`Bearer error="insufficient_user_authentication", claims="{}"`, true, nil},
		{`Bearer error="invalid_token", acr_values="gold"`, false, nil},
		{`Bearer acr_values="gold"`, false, nil},
		{`DPoP error="insufficient_user_authentication", acr_values="gold"`, false, nil},
		{`Bearer error="insufficient_claims", claims="` + encoded + `"`, true, map[string]string{"claims": claims}},
		{`Bearer error="insufficient_claims", claims="{\"id_token\":{}}"`, true, map[string]string{"claims": `{"id_token":{}}`}},
		{`Bearer error="insufficient_claims", claims="` + encoded + `"`, false, nil},
		{`Bearer error="insufficient_claims", claims="e30x"`, true, nil},
	} {
		if got := demanded([]string{row.line}, row.claims); !maps.Equal(got, row.want) {
			t.Errorf("%s: got %q", row.line, got)
		}
	}
}
