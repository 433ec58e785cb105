package proxy

import "testing"

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
