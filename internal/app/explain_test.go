package app

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/cloakroom-bff/cloakroom/proxy"
)

func TestAnOperatorWithTheAdminTokenIsToldWhatBecomesOfARequest(t *testing.T) {
	const token = "operators-token-5d0b"
	asked := 0
	h := newHouse(t, func(http.ResponseWriter, *http.Request) { asked++ })
	h.halt()
	h.environ = []string{"CLOAKROOM_ADMIN_TOKEN=" + token}
	h.start()
	c := browser(t)
	h.signIn(c)
	explain := func(with string) (int, string) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.origin+"/api/", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Sec-Fetch-Site", "cross-site")
		req.Header.Set("X-Cloakroom-Explain", with)
		return h.do(c, req)
	}
	if status, body := explain("guess"); status != http.StatusForbidden {
		t.Errorf("with another token: %d %s", status, body)
	}
	status, body := explain(token)
	var e struct {
		Answer  struct{ Code proxy.Code }
		Session struct{ ID, State, Subject string }
		Token   struct{ Kind, Decision string }
	}
	if err := json.Unmarshal([]byte(body), &e); err != nil || status != http.StatusOK {
		t.Fatalf("%d %v: %s", status, err, body)
	}
	if e.Answer.Code != proxy.CSRFFailed || e.Session.State != "live" || e.Session.Subject != "alice" || e.Token.Decision != "fresh" {
		t.Errorf("got %+v", e)
	}
	if asked > 0 {
		t.Error("the upstream was asked")
	}
	if strings.Contains(h.log.String(), token) {
		t.Error("the log has the token")
	}
	lines, told := audit(t, h.log.String())
	want := []string{"INFO login", "WARN operator explain", "WARN csrf_blocked csrf_failed", "INFO operator explain"}
	if !slices.Equal(told, want) {
		t.Fatalf("audited %q", told)
	}
	if last := lines[len(lines)-1]; last["session"] != e.Session.ID || last["by"] != "127.0.0.1" || last["status"] != 200.0 {
		t.Errorf("audited %v", last)
	}
}
