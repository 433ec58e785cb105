package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/secret"
	"github.com/cloakroom-bff/cloakroom/internal/telemetry"
	"github.com/cloakroom-bff/cloakroom/session"
	"github.com/cloakroom-bff/cloakroom/session/boltstore"
)

// office is an admin listener with sessions behind it.
type office struct {
	t        *testing.T
	handler  http.Handler
	sessions *session.Manager
	log      *safeBuffer
	clock    *atomic.Int64
}

// fragile is a store that can go away.
type fragile struct {
	*boltstore.Store
	away atomic.Bool
	left atomic.Int64 // writes that still succeed once it is away
}

func (f *fragile) Find(ctx context.Context, key session.Key) ([]session.Record, error) {
	if f.away.Load() && f.left.Load() <= 0 {
		return nil, errors.New("connection refused")
	}
	return f.Store.Find(ctx, key)
}

func (f *fragile) Replace(ctx context.Context, r session.Record) error {
	if f.away.Load() && f.left.Add(-1) < 0 {
		return errors.New("connection refused")
	}
	return f.Store.Replace(ctx, r)
}

const (
	near   = "127.0.0.1:5000"
	far    = "10.0.0.7:5000"
	issuer = "https://id.example.com"
)

func openOffice(t *testing.T, token string) (*office, *fragile) {
	t.Helper()
	file, err := boltstore.Open(filepath.Join(t.TempDir(), "sessions.db"), boltstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	store := &fragile{Store: file}
	keys, err := session.NewKeyring(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	o := &office{t: t, log: &safeBuffer{}, clock: &atomic.Int64{}}
	now := func() time.Time { return time.Now().Add(time.Duration(o.clock.Load())) }
	audit := telemetry.NewAudit(slog.NewJSONHandler(o.log, nil))
	o.sessions, err = session.New(session.Config{
		Store: store, Keys: keys, Refresher: mute{}, SoleOwner: true, Observe: audit.Session, Now: now,
	})
	if err != nil {
		t.Fatal(err)
	}
	o.handler = (&admin{
		token: secret.New(token), audit: audit, log: slog.New(slog.DiscardHandler), metrics: http.NotFoundHandler(),
		operators: &operators{sessions: o.sessions, store: store, issuers: []string{"https://old.example.com", issuer}, now: now},
	}).handler()
	return o, store
}

// mute is a provider that nobody asks.
type mute struct{ session.Refresher }

// signIn begins a session of an age.
func (o *office) signIn(subject, client string, d session.Device) session.ID {
	o.t.Helper()
	s, _, err := o.sessions.Begin(o.t.Context(), session.Start{Device: d, Grant: session.Grant{
		Issuer: issuer, ClientID: client, Subject: subject, ProviderSession: "sid-of-" + subject,
		RefreshToken: "secret-rt", IDToken: "secret-idt", Claims: map[string]any{"email": "secret-email"},
		Access: map[session.Target]session.AccessToken{{}: {Token: "secret-at", Expiry: time.Now().Add(time.Hour)}},
	}})
	if err != nil {
		o.t.Fatal(err)
	}
	return s.ID()
}

// ask sends a request of the operator's; a token may follow.
func (o *office) ask(method, target, peer string, token ...string) (int, string, http.Header) {
	o.t.Helper()
	r := httptest.NewRequestWithContext(o.t.Context(), method, target, nil)
	r.RemoteAddr, r.Host = peer, "127.0.0.1:9090"
	for _, text := range token {
		r.Header.Set("Authorization", "Bearer "+text)
	}
	w := httptest.NewRecorder()
	o.handler.ServeHTTP(w, r)
	if body := w.Body.String(); strings.Contains(body, "secret-") || strings.Contains(body, "sid-of-") {
		o.t.Errorf("%s %s tells what nobody may know: %s", method, target, body)
	}
	return w.Code, w.Body.String(), w.Header()
}

// list returns the subjects that a query chooses, over all pages.
func (o *office) list(query string) (subjects []string) {
	o.t.Helper()
	for after := ""; ; {
		status, body, _ := o.ask(http.MethodGet, "/sessions?"+query+after, near)
		var p page
		if err := json.Unmarshal([]byte(body), &p); err != nil || status != http.StatusOK {
			o.t.Fatalf("%s: %d %s", query, status, body)
		}
		for _, s := range p.Sessions {
			subjects = append(subjects, s.Subject)
		}
		if p.Next == "" {
			slices.Sort(subjects)
			return subjects
		}
		after = "&after=" + p.Next
	}
}

func TestOperatorsFindSessionsByAllThatIsKnownOfThem(t *testing.T) {
	o, _ := openOffice(t, "")
	firefox := session.Device{Browser: "Firefox", System: "Linux", Address: "192.0.2.0/24"}
	o.signIn("alice", "shop", firefox)
	o.clock.Store(int64(3 * time.Hour))
	o.signIn("alice", "desk", session.Device{Browser: "Safari", System: "iOS", Address: "2001:db8:1::/48"})
	o.signIn("bob", "shop", session.Device{})
	o.clock.Store(int64(4 * time.Hour))
	for query, want := range map[string]string{
		"":                               "alice alice bob",
		"limit=1":                        "alice alice bob",
		"subject=alice":                  "alice alice",
		"subject=alice&client=desk":      "alice",
		"subject=alice&issuer=" + issuer: "alice alice",
		"subject=alice&issuer=https://other.example": "",
		"issuer=" + issuer:                           "alice alice bob",
		"subject=Alice":                              "",
		"provider_session=sid-of-bob":                "bob",
		"provider_session=sid-of-bob&subject=alice":  "",
		"client=shop":                                "alice bob",
		"browser=firefox":                            "alice",
		"system=ios":                                 "alice",
		"address=192.0.2.77":                         "alice",
		"address=192.0.0.0/16":                       "alice",
		"address=2001:db8:1::7":                      "alice",
		"address=198.51.100.1":                       "",
		"min_age=2h":                                 "alice",
		"max_age=2h":                                 "alice bob",
		"min_idle=4h":                                "alice",
		"max_idle=90m&subject=alice":                 "alice",
	} {
		if got := strings.Join(o.list(query), " "); got != want {
			t.Errorf("%q: got %q, want %q", query, got, want)
		}
	}
}

func TestASessionIsShownWithoutItsSecrets(t *testing.T) {
	o, _ := openOffice(t, "")
	id := o.signIn("alice", "shop", session.Device{Browser: "Firefox", System: "Linux", Address: "192.0.2.0/24"})
	status, body, header := o.ask(http.MethodGet, "/sessions/"+id.String(), near)
	var got map[string]any
	if err := json.Unmarshal([]byte(body), &got); err != nil || status != http.StatusOK || header.Get("Cache-Control") != "no-store" {
		t.Fatalf("%d %s", status, body)
	}
	for _, name := range []string{"created", "last_seen", "idle_end", "end"} {
		text, _ := got[name].(string)
		if _, err := time.Parse(time.RFC3339, text); err != nil || !strings.HasSuffix(text, "Z") {
			t.Errorf("%s is %q", name, text)
		}
		delete(got, name)
	}
	want := map[string]any{
		"id": id.String(), "issuer": issuer, "subject": "alice", "client": "shop",
		"browser": "Firefox", "system": "Linux", "address": "192.0.2.0/24",
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestOperatorsEndSessions(t *testing.T) {
	for _, row := range []struct {
		name, target string
		left         string
	}{
		{"one", "/sessions/{id}", "alice bob"},
		{"a subject's", "/sessions?subject=alice", "bob"},
		{"a provider session's", "/sessions?provider_session=sid-of-bob", "alice alice"},
		{"a client's", "/sessions?client=shop&confirm=true", "alice"},
		{"those of a network", "/sessions?address=192.0.2.1&confirm=true", "alice bob"},
		{"all", "/sessions?all=true&confirm=true", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			o, _ := openOffice(t, "")
			id := o.signIn("alice", "shop", session.Device{Address: "192.0.2.0/24"})
			o.signIn("alice", "desk", session.Device{})
			o.signIn("bob", "shop", session.Device{})
			before := len(o.list(""))
			status, body, _ := o.ask(http.MethodDelete, strings.ReplaceAll(row.target, "{id}", id.String()), near)
			left := o.list("")
			if want := fmt.Sprintf("{\"ended\":%d}\n", before-len(left)); status != http.StatusOK || body != want {
				t.Errorf("%d %s, want %s", status, body, want)
			}
			if got := strings.Join(left, " "); got != row.left {
				t.Errorf("left are %q, want %q", got, row.left)
			}
			lines, _ := audit(t, o.log.String())
			ends := 0
			for _, line := range lines {
				if line["event"] == "session_ended" {
					ends++
					if line["reason"] != "operator" || line["actor"] != "operator" || line["by"] != "127.0.0.1" {
						t.Errorf("audited %v", line)
					}
				}
			}
			if ends != before-len(left) {
				t.Errorf("%d ends in the audit log", ends)
			}
		})
	}
}

// What is misspelt, empty or forgotten must not end more than was meant.
func TestAnActThatCannotBeMeantEndsNothing(t *testing.T) {
	o, _ := openOffice(t, "")
	id := o.signIn("alice", "shop", session.Device{}).String()
	for _, row := range []struct {
		method, target string
		status         int
		code           string
	}{
		{"DELETE", "/sessions", 400, "bad_request"},
		{"DELETE", "/sessions?confirm=true", 400, "bad_request"},
		{"DELETE", "/sessions?all=true", 400, "confirmation_required"},
		{"DELETE", "/sessions?client=shop", 400, "confirmation_required"},
		{"DELETE", "/sessions?all=yes&confirm=true", 400, "bad_request"},
		{"DELETE", "/sessions?all=true&subject=bob&confirm=true", 400, "bad_request"},
		{"DELETE", "/sessions?subject=&confirm=true", 400, "bad_request"},
		{"DELETE", "/sessions?subject=bob&subject=alice", 400, "bad_request"},
		{"DELETE", "/sessions?subjekt=bob&confirm=true", 400, "bad_request"},
		{"DELETE", "/sessions?limit=1&confirm=true", 400, "bad_request"},
		{"DELETE", "/sessions?min_age=soon&confirm=true", 400, "bad_request"},
		{"DELETE", "/sessions?min_age=-1h&confirm=true", 400, "bad_request"},
		{"DELETE", "/sessions?address=here&confirm=true", 400, "bad_request"},
		{"DELETE", "/sessions?subject=%zz", 400, "bad_request"},
		{"DELETE", "/sessions/" + id[:62], 400, "bad_request"},
		{"DELETE", "/sessions/" + strings.Repeat("0", 64), 404, "not_found"},
		{"GET", "/sessions/" + strings.Repeat("0", 64), 404, "not_found"},
		{"GET", "/sessions?limit=0", 400, "bad_request"},
		{"GET", "/sessions?limit=10001", 400, "bad_request"},
		{"GET", "/sessions?after=x", 400, "bad_request"},
		{"GET", "/sessions?browser=", 400, "bad_request"},
	} {
		status, body, header := o.ask(row.method, row.target, near)
		var p problem
		if err := json.Unmarshal([]byte(body), &p); err != nil {
			t.Fatalf("%s %s: %s", row.method, row.target, body)
		}
		if status != row.status || p.Status != row.status || p.Code != row.code || p.Detail == "" ||
			header.Get("Cloakroom-Error") != row.code || header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s %s: %d %s", row.method, row.target, status, body)
		}
	}
	if left := o.list(""); len(left) != 1 {
		t.Errorf("left are %q", left)
	}
	if _, told := audit(t, o.log.String()); strings.Count(strings.Join(told, "\n"), "session_ended") != 0 {
		t.Errorf("audited %q", told)
	}
}

// Behind a proxy on this machine, all the world looks near.
func TestTheOperatorsAPIAsksForTheTokenOnceThereIsOne(t *testing.T) {
	for _, row := range []struct {
		name, token, peer string
		sent              []string
		status            int
	}{
		{"none is set, on this machine", "", near, nil, 200},
		{"none is set, from elsewhere", "", far, nil, 401},
		{"none is set, and an empty one is sent from elsewhere", "", far, []string{""}, 401},
		{"set, and not sent on this machine", "operator", near, nil, 401},
		{"set, and another one is sent", "operator", near, []string{"operato"}, 401},
		{"set and sent on this machine", "operator", near, []string{"operator"}, 200},
		{"set and sent from elsewhere", "operator", far, []string{"operator"}, 200},
	} {
		t.Run(row.name, func(t *testing.T) {
			o, _ := openOffice(t, row.token)
			id := o.signIn("alice", "shop", session.Device{})
			for _, target := range []string{"/sessions", "/sessions/" + id.String()} {
				if status, body, _ := o.ask(http.MethodGet, target, row.peer, row.sent...); status != row.status {
					t.Errorf("%s: %d %s", target, status, body)
				}
			}
			for _, target := range []string{"/sessions?subject=bob", "/sessions/" + id.String()} {
				if status, body, _ := o.ask(http.MethodDelete, target, row.peer, row.sent...); status != row.status {
					t.Errorf("DELETE %s: %d %s", target, status, body)
				}
			}
			if _, err := o.sessions.Look(t.Context(), id); errors.Is(err, session.ErrNoSession) != (row.status == 200) {
				t.Errorf("the session: %v", err)
			}
			lines, _ := audit(t, o.log.String())
			if last := lines[len(lines)-1]; last["event"] != "operator" || last["status"] != float64(row.status) || (last["level"] == "WARN") != (row.status != 200) {
				t.Errorf("audited %v", last)
			}
		})
	}
}

func TestEveryActOfAnOperatorIsAudited(t *testing.T) {
	o, _ := openOffice(t, "operator")
	id := o.signIn("alice", "shop", session.Device{}).String()
	for _, act := range [][2]string{
		{"GET", "/sessions?subject=alice%0d%0a&limit=5"},
		{"GET", "/sessions/" + id},
		{"DELETE", "/sessions?provider_session=sid-of-bob"},
		{"DELETE", "/sessions/" + id},
	} {
		o.ask(act[0], act[1], far, "operator")
	}
	lines, _ := audit(t, o.log.String())
	var acts []string
	for _, line := range lines {
		if line["event"] == "operator" {
			acts = append(acts, fmt.Sprintln(line["by"], line["act"], line["session"] == id, line["filter"], line["ended"]))
		}
	}
	want := []string{
		"10.0.0.7 list false subject=alice%0D%0A 0\n", "10.0.0.7 show true <nil> 0\n",
		"10.0.0.7 end_many false provider_session=%28named%29 0\n", "10.0.0.7 end true <nil> 1\n",
	}
	if !slices.Equal(acts, want) {
		t.Errorf("audited %q", acts)
	}
	if strings.Contains(o.log.String(), "sid-of-") {
		t.Error("the audit log has a provider session")
	}
}

func TestAStoreThatGoesAwayInTheMiddleIsTold(t *testing.T) {
	o, store := openOffice(t, "")
	for range 10 {
		o.signIn("alice", "shop", session.Device{})
	}
	store.left.Store(3)
	store.away.Store(true)
	status, body, header := o.ask(http.MethodDelete, "/sessions?subject=alice", near)
	var p problem
	if err := json.Unmarshal([]byte(body), &p); err != nil {
		t.Fatal(err)
	}
	if status != http.StatusServiceUnavailable || p.Code != "store_unavailable" || p.Ended == nil || *p.Ended != 3 || header.Get("Retry-After") == "" {
		t.Errorf("%d %s", status, body)
	}
	if status, body, _ = o.ask(http.MethodDelete, "/sessions?subject=alice", near); status != http.StatusServiceUnavailable || !strings.Contains(body, `"ended":0`) {
		t.Errorf("nothing could be found: %d %s", status, body)
	}
	store.away.Store(false)
	if left := o.list(""); len(left) != 7 {
		t.Errorf("%d are left", len(left))
	}
	if status, body, _ = o.ask(http.MethodDelete, "/sessions?subject=alice", near); body != "{\"ended\":7}\n" {
		t.Errorf("once more: %d %s", status, body)
	}
}
