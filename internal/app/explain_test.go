package app

import (
	"encoding/json"
	"maps"
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

// What an operator is told who asks is also in the trace of a request that nobody asked about.
func TestATraceHasWhatWasDecided(t *testing.T) {
	to := newReceiver(t)
	h := newHouse(t, func(http.ResponseWriter, *http.Request) {}, "telemetry: {otlp_endpoint: "+to.URL+"}")
	c := browser(t)
	h.call(c, "/api/nobody")
	h.signIn(c)
	h.call(c, "/api/fresh")
	h.expire()
	h.call(c, "/api/expired")
	h.call(c, "/open/")
	h.halt()
	var told []string
	for _, name := range []string{"GET /api/", "GET /open/"} {
		for _, span := range to.named(name) {
			for _, event := range span.GetEvents() {
				facts := map[string]string{}
				for _, a := range event.GetAttributes() {
					facts[strings.TrimPrefix(a.GetKey(), "cloakroom.")] = a.GetValue().GetStringValue()
				}
				delete(facts, "csrf.why")
				names := slices.Sorted(maps.Keys(facts))
				line := event.GetName()
				for _, name := range names {
					line += " " + name + "=" + facts[name]
				}
				told = append(told, line)
			}
		}
	}
	live := " session.age= session.expires_in= session.idle_expires_in= session.state=live"
	want := []string{
		"explain csrf.verdict=not_asked request.class=fetch session.state=none token.kind=user",
		"explain csrf.verdict=believed request.class=fetch" + live + " token.decision=fresh token.kind=user",
		"explain csrf.verdict=believed request.class=fetch" + live + " token.decision=waits token.kind=user",
		"explain csrf.verdict=not_asked request.class=fetch session.state=not_asked token.kind=none",
	}
	slices.Sort(told)
	slices.Sort(want)
	if !slices.Equal(told, want) {
		t.Errorf("told\n%s\nwant\n%s", strings.Join(told, "\n"), strings.Join(want, "\n"))
	}
}
