package conformance

import (
	"net/http"

	"github.com/cloakroom-bff/cloakroom/internal/devidp"
)

func refresh() plan {
	return plan{"Refresh", oidcModule, plain, []module{
		{"-refresh-token", works, "After a refresh the API gets the new token.", func(v *visit) {
			v.signIn()
			old := v.api.last()
			if a := v.script(http.MethodPost, "/bff/refresh"); a.status != http.StatusOK {
				v.t.Fatalf("the refresh answered %d", a.status)
			}
			v.isSignedIn()
			if v.api.last() == old {
				v.t.Error("the API got the old token")
			}
			if now := v.provider.Stats(); now.Refreshes-v.before.Refreshes != 1 || now.Reuses != v.before.Reuses {
				v.t.Errorf("%+v", now)
			}
		}},
		{"-refresh-token-invalid-issuer", refused, "`iss` of the new ID token is another: the session ends.", endsAtRefresh(devidp.WrongIssuer)},
		{"-refresh-token-invalid-sub", refused, "`sub` of the new ID token is another: the session ends.", endsAtRefresh(devidp.WrongSubject)},
	}}
}

// endsAtRefresh is a session that must not outlive its refresh.
func endsAtRefresh(f devidp.Fault) func(*visit) {
	return func(v *visit) {
		v.misbehave(func(k *devidp.Knobs) { k.IDTokenFault, k.IDTokenFaultAt = f, devidp.AtRefresh })
		v.signIn()
		a := v.script(http.MethodPost, "/bff/refresh")
		if code := a.header.Get("Cloakroom-Error"); a.status != http.StatusUnauthorized || code != "session_expired" {
			v.t.Errorf("the refresh answered %d %q", a.status, code)
		}
		v.isOut()
	}
}
