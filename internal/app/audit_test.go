package app

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/devidp"
)

// audit reads the lines of the audit log among others and tells of each its event, level
// and what came of it.
func audit(t *testing.T, log string) (lines []map[string]any, told []string) {
	t.Helper()
	for text := range strings.Lines(log) {
		var line map[string]any
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if line["log"] != "audit" {
			continue
		}
		words := []string{}
		for _, name := range []string{"level", "event", "act", "outcome", "reason", "cause", "code"} {
			if word, ok := line[name].(string); ok {
				words = append(words, word)
			}
		}
		lines, told = append(lines, line), append(told, strings.Join(words, " "))
	}
	return lines, told
}

// In both stories a session ends that its user did not end. One is a provider's strictness
// after an outage, the other somebody else's identity.
func TestTheAuditLogTellsAnOutageFromATheft(t *testing.T) {
	t.Parallel()
	keys, err := providerKeys()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name, preset string
		trouble      func(h *parlour)
		want         []string
	}{
		{
			"an answer that was lost", "keycloak",
			func(h *parlour) { h.wire.lose.Store(1) },
			[]string{"INFO login", "WARN refresh_outcome_unknown unknown", "INFO refresh refused", "WARN session_ended outcome_lost refresh_outcome_unknown", "INFO token_revoked ok"},
		},
		{
			"another subject", "okta",
			func(h *parlour) {
				h.idp.Adjust(func(k *devidp.Knobs) { k.IDTokenFault, k.IDTokenFaultAt = devidp.WrongSubject, devidp.AtRefresh })
			},
			[]string{"INFO login", "INFO refresh ok", "WARN session_ended not_same_user", "INFO token_revoked ok"},
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := openParlour(t, row.preset, pathOf(row.preset), keys)
				h.idp.Adjust(func(k *devidp.Knobs) { k.RefreshTokenMode = devidp.Rotating })
				_, s := h.signIn()
				row.trouble(h)
				time.Sleep(2 * time.Minute)
				if err := h.token(s); err == nil {
					t.Error("the session lives")
				}
				time.Sleep(5 * time.Second)
				lines, told := audit(t, h.audit.String())
				if !slices.Equal(told, row.want) {
					t.Errorf("told %q", told)
				}
				for _, line := range lines {
					if line["subject"] != "alice" || line["session"] != s.ID().String() {
						t.Errorf("whose is %v?", line)
					}
				}
				for _, token := range h.idp.Tokens() {
					if strings.Contains(h.audit.String(), token) {
						t.Error("the audit log holds a token")
					}
				}
			})
		})
	}
}

// The gateway as New wires it: one output, two logs.
func TestTheAuditLogGoesWhereTheLogGoes(t *testing.T) {
	h := newHouse(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	c := browser(t)
	h.signIn(c)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.origin+"/api/orders", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Sec-Fetch-Site", "cross-site")
	req.Header.Set("User-Agent", "Firefox/1\t{\"log\":\"audit\"}")
	if status, _ := h.do(c, req); status != http.StatusForbidden {
		t.Errorf("a request from elsewhere: %d", status)
	}
	if status, _ := h.call(browser(t), "/bff/callback?code=c&state=s"); status != http.StatusBadRequest {
		t.Errorf("a forged callback: %d", status)
	}
	h.halt()
	lines, told := audit(t, h.log.String())
	if want := []string{"INFO login", "WARN csrf_blocked csrf_failed", "INFO login_refused login_failed"}; !slices.Equal(told, want) {
		t.Fatalf("told %q", told)
	}
	if got := lines[1]; got["browser"] != "Firefox" || got["address"] != "127.0.0.0/24" || got["route"] != "/api/" {
		t.Errorf("the browser is lost: %v", got)
	}
}
