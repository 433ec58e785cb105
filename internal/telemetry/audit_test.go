package telemetry_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/cloakroom-bff/cloakroom/internal/telemetry"
	"github.com/cloakroom-bff/cloakroom/proxy"
	"github.com/cloakroom-bff/cloakroom/session"
)

// audited returns the one line that an event makes. The log's level is far above it.
func audited(t *testing.T, tell func(*telemetry.Audit)) map[string]any {
	t.Helper()
	var out bytes.Buffer
	tell(telemetry.NewAudit(telemetry.NewJSONLog(&out, slog.LevelError)))
	if n := strings.Count(out.String(), "\n"); n != 1 || !strings.HasSuffix(out.String(), "\n") {
		t.Fatalf("%d lines: %q", n, &out)
	}
	var line map[string]any
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatal(err)
	}
	if line["log"] != "audit" || line["time"] == nil {
		t.Errorf("not marked: %s", &out)
	}
	delete(line, "time")
	delete(line, "log")
	delete(line, "msg")
	return line
}

func TestEachEventIsALineOfTheAuditLog(t *testing.T) {
	id := session.ID{0xab}
	whose := fmt.Sprintf(" session:%s issuer:https://idp client:bff subject:alice address:192.0.2.0/24 browser:Firefox system:Linux", id)
	event := func(e session.Event) func(*telemetry.Audit) {
		e.ID, e.Issuer, e.Client, e.Subject = id, "https://idp", "bff", "alice"
		e.Device = session.Device{Browser: "Firefox", System: "Linux", Address: "192.0.2.0/24"}
		return func(a *telemetry.Audit) { a.Session(e) }
	}
	ended := func(why session.Reason) func(*telemetry.Audit) {
		return event(session.Event{Kind: session.Ended, Reason: why})
	}
	refused := &session.RefreshError{Class: session.Refused, Code: "invalid_grant", Err: errors.New("unknown or invalid")}
	for _, row := range []struct {
		name string
		tell func(*telemetry.Audit)
		want string
	}{
		{"a login", event(session.Event{Kind: session.Began}), "level:INFO event:login" + whose},
		{
			"a step-up", event(session.Event{Kind: session.Began, Continues: session.ID{0xcd}, ACR: "phr"}),
			fmt.Sprintf("level:INFO event:step_up acr:phr continues:%s", session.ID{0xcd}) + whose,
		},
		{"a refresh", event(session.Event{Kind: session.Refreshed, Outcome: "ok"}), "level:INFO event:refresh outcome:ok" + whose},
		{
			"a refused refresh", event(session.Event{Kind: session.Refreshed, Outcome: "refused", Err: refused}),
			"level:INFO event:refresh outcome:refused provider_code:invalid_grant error:" + refused.Error() + whose,
		},
		{
			"a lost answer", event(session.Event{Kind: session.Refreshed, Outcome: session.Unknown.String(), Err: errors.New("EOF")}),
			"level:WARN event:refresh_outcome_unknown outcome:unknown error:EOF" + whose,
		},
		{"a revocation", event(session.Event{Kind: session.Revoked, Outcome: "failed", Err: errors.New("503")}), "level:INFO event:token_revoked outcome:failed error:503" + whose},
		{"a logout", ended(session.LoggedOut), "level:INFO event:session_ended reason:logout actor:user" + whose},
		{"a device", ended(session.ByUser), "level:INFO event:session_ended reason:device actor:user" + whose},
		{"a limit", ended(session.IdleLimit), "level:INFO event:session_ended reason:idle actor:gateway" + whose},
		{"the provider's word", ended(session.ByProvider), "level:INFO event:session_ended reason:backchannel actor:provider" + whose},
		{"the provider's limit", ended(session.ProviderLimit), "level:INFO event:session_ended reason:provider_limit actor:provider" + whose},
		{"a refusal", ended(session.TokenRefused), "level:INFO event:session_ended reason:refused actor:provider" + whose},
		{"refused after a lost answer", ended(session.OutcomeLost), "level:WARN event:session_ended reason:outcome_lost cause:refresh_outcome_unknown actor:provider" + whose},
		{"another identity", ended(session.NotSameUser), "level:WARN event:session_ended reason:not_same_user actor:gateway" + whose},
		{
			"an operator", event(session.Event{Kind: session.Ended, Reason: session.ByOperator, By: "10.0.0.7"}),
			"level:INFO event:session_ended reason:operator actor:operator by:10.0.0.7" + whose,
		},
		{
			"a blocked request", func(a *telemetry.Audit) {
				a.Refused(proxy.Refusal{Kind: proxy.CSRFBlocked, Code: proxy.CSRFFailed, Method: "POST", Route: "/api/", Device: session.Device{Browser: "Chrome", Address: "192.0.2.0/24"}})
			},
			"level:WARN event:csrf_blocked code:csrf_failed method:POST route:/api/ browser:Chrome address:192.0.2.0/24",
		},
		{
			"a refused login", func(a *telemetry.Audit) {
				a.Refused(proxy.Refusal{Kind: proxy.LoginRefused, Code: proxy.AccessDenied, Method: "GET", Route: "bff", Err: errors.New("no")})
			},
			"level:INFO event:login_refused code:access_denied method:GET route:bff error:no",
		},
		{
			"an operator's act", func(a *telemetry.Audit) {
				a.Operator(t.Context(), telemetry.Act{Name: "end_many", By: "10.0.0.7", Filter: "subject=alice", Ended: 3, Status: 200})
			},
			"level:INFO event:operator act:end_many by:10.0.0.7 filter:subject=alice ended:3 status:200",
		},
		{
			"an operator's act that failed", func(a *telemetry.Audit) {
				a.Operator(t.Context(), telemetry.Act{Name: "end", By: "10.0.0.7", Session: "abcd", Status: 503, Err: errors.New("away")})
			},
			"level:WARN event:operator act:end by:10.0.0.7 session:abcd ended:0 status:503 error:away",
		},
		{
			"an explanation", func(a *telemetry.Audit) {
				a.Explained(proxy.Explained{By: "10.0.0.7", Session: id, Status: 200, Trace: "4bf9"})
			},
			fmt.Sprintf("level:INFO event:operator act:explain by:10.0.0.7 session:%s ended:0 status:200 trace_id:4bf9", id),
		},
		{
			"a guess at the token", func(a *telemetry.Audit) {
				a.Explained(proxy.Explained{By: "192.0.2.1", Status: 401, Err: errors.New("no")})
			},
			"level:WARN event:operator act:explain by:192.0.2.1 ended:0 status:401 error:no",
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			line, want := audited(t, row.tell), row.want
			for key, value := range line {
				pair := fmt.Sprintf("%s:%v", key, value)
				if !strings.Contains(want, pair) {
					t.Errorf("has %s", pair)
				}
				want = strings.Replace(want, pair, "", 1)
			}
			if rest := strings.TrimSpace(want); rest != "" {
				t.Errorf("lacks %s", rest)
			}
		})
	}
}

// A claim is the provider's text, and a method the client's.
func TestNobodyWritesALineOfHisOwnIntoTheAuditLog(t *testing.T) {
	const forged = "alice\r\n{\"log\":\"audit\",\"event\":\"login\",\"subject\":\"admin\"}\u2028\x1b[2J"
	line := audited(t, func(a *telemetry.Audit) {
		a.Session(session.Event{Kind: session.Began, Subject: forged, Device: session.Device{Browser: forged}})
	})
	if line["subject"] != forged || line["event"] != "login" {
		t.Errorf("got %v", line)
	}
	line = audited(t, func(a *telemetry.Audit) {
		a.Refused(proxy.Refusal{Kind: proxy.CSRFBlocked, Method: strings.Repeat("é", 1<<20)})
	})
	if n := len(line["method"].(string)); n > 600 {
		t.Errorf("%d bytes of a client's text", n)
	}
	var text bytes.Buffer
	telemetry.NewAudit(slog.NewTextHandler(&text, nil)).Session(session.Event{Kind: session.Began, Subject: forged})
	if strings.Count(text.String(), "\n") != 1 || strings.Contains(text.String(), "\x1b") {
		t.Errorf("as text: %q", &text)
	}
}

func TestARecordThatCannotBeOpenedIsNoEventOfItsSession(t *testing.T) {
	var out bytes.Buffer
	telemetry.NewAudit(telemetry.NewJSONLog(&out, slog.LevelError)).Session(session.Event{Kind: session.Locked})
	if out.Len() > 0 {
		t.Errorf("the audit log has %s", &out)
	}
}
