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
		if got := refusesToken(row.lines, "Bearer"); got != row.want {
			t.Errorf("%q: got %v", row.lines, got)
		}
	}
}

// Whoever takes a demand for a nonce for the end of a token refreshes without end.
func TestAChallengeForTheProofSaysNothingOfTheToken(t *testing.T) {
	for _, row := range []struct {
		line         string
		nonce        string
		proof, token bool
	}{
		{`DPoP error="use_dpop_nonce"`, "n", true, false},
		{`dPoP ERROR="use_dpop_nonce", error_description="x"`, "n", true, false},
		{`Bearer, DPoP algs="ES256", error=use_dpop_nonce`, "n", true, false},
		{`DPoP error="use_dpop_nonce"`, "", false, false}, // it says not which
		{`DPoP error="invalid_dpop_proof"`, "", true, false},
		{`DPoP error="invalid_token"`, "n", false, true},
		{`dpop algs="ES256"`, "n", false, true},
		{`Bearer error="invalid_token"`, "n", false, false},
		{`Bearer error="use_dpop_nonce"`, "n", false, false},
		{`DPoP error="insufficient_scope"`, "n", false, false},
	} {
		lines := []string{row.line}
		if proof, token := wantsProof(lines, row.nonce), refusesToken(lines, "DPoP"); proof != row.proof || token != row.token {
			t.Errorf("%s: refuses the proof %v, the token %v", row.line, proof, token)
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
		if got := demanded([]string{row.line}, "Bearer", row.claims); !maps.Equal(got, row.want) {
			t.Errorf("%s: got %q", row.line, got)
		}
	}
}
