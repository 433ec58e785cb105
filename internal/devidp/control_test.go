package devidp_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/devidp"
)

// desk is a caller of the control API.
type desk struct {
	*party
	url string
}

func newDesk(t *testing.T) desk {
	t.Helper()
	p := newParty(t, devidp.Knobs{})
	server := httptest.NewServer(p.idp.Control())
	t.Cleanup(server.Close)
	return desk{p, server.URL}
}

func (d desk) call(method, path, body string, headers ...string) reply {
	d.t.Helper()
	req, err := http.NewRequestWithContext(d.t.Context(), method, d.url+path, strings.NewReader(body))
	if err != nil {
		d.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
		if headers[i] == "Host" {
			req.Host = headers[i+1]
		}
	}
	r, err := d.do(req)
	if err != nil {
		d.t.Fatal(err)
	}
	return r
}

func TestKnobsTurnOverHTTP(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	r := d.mustAnswer(d.call("POST", "/knobs", `{"at_ttl": "1m30s", "rt_mode": "static", "expires_in": null, "timing": {"mode": "slow", "delay": "1ms"}, "error_next": [{"status": 429, "times": 2}]}`))
	if r.str("at_ttl") != "1m30s" || r.str("rt_mode") != "static" {
		t.Errorf("knobs %v", r.json)
	}
	d.mustAnswer(d.call("POST", "/knobs", `{"auto_login": "bob"}`))
	d.idp.Adjust(func(k *devidp.Knobs) {
		if k.AccessTokenTTL != 90*time.Second || k.AutoLogin != "bob" || k.Timing.Delay != time.Millisecond || len(k.ErrorNext) != 1 {
			t.Errorf("knobs %+v", *k)
		}
	})
	d.mustAnswer(d.call("PUT", "/knobs", `{"at_format": "opaque"}`))
	d.idp.Adjust(func(k *devidp.Knobs) {
		if k.AccessTokenTTL != 0 || k.AutoLogin != "" || k.AccessTokenFormat != devidp.Opaque || k.ErrorNext != nil {
			t.Errorf("knobs %+v", *k)
		}
	})
}

func TestBadKnobsAreRefusedAndChangeNothing(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for _, body := range []string{
		`{"at_tll": "5s"}`, `{"at_ttl": 5}`, `{"at_ttl": "soon"}`, `{"rt_mode": "spinning"}`, `{"timing": {"mode": "late"}}`,
		`{"timing": {"dealy": "1s"}}`, `{"error_next": [{"at": "tokens"}]}`, `[]`, `{`, ``,
	} {
		if r := d.call("POST", "/knobs", `{"auto_login": "bob"}`); r.status != http.StatusOK {
			t.Fatal(r.text)
		}
		if r := d.call("POST", "/knobs", body); r.status != http.StatusBadRequest || r.str("error") == "" {
			t.Errorf("%s: status %d, %s", body, r.status, r.text)
		}
		if r := d.call("GET", "/knobs", ""); r.str("auto_login") != "bob" || r.str("at_ttl") != "0s" {
			t.Errorf("%s: knobs %v", body, r.json)
		}
	}
}

func TestEventsHappenOverHTTP(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	login := d.login()
	rt := login.str("refresh_token")
	if r := d.mustAnswer(d.call("GET", "/stats", "")); r.json["exchanges"] != 1.0 {
		t.Errorf("stats %v", r.json)
	}
	for _, path := range []string{"/tokens", "/requests", "/grants"} {
		var list []any
		if err := json.Unmarshal([]byte(d.mustAnswer(d.call("GET", path, "")).text), &list); err != nil || len(list) == 0 {
			t.Errorf("%s: %v", path, err)
		}
	}
	_, rt = d.mustRefresh(rt)
	text, err := json.Marshal(map[string]string{"refresh_token": rt})
	if err != nil {
		t.Fatal(err)
	}
	if r := d.call("POST", "/presentations", string(text)); r.json["presentations"] != 0.0 {
		t.Errorf("presentations %v", r.json)
	}
	if r := d.call("POST", "/rotate-keys", ""); r.status != http.StatusNoContent || d.verdict(login.str("id_token")) != "unknown kid" {
		t.Errorf("rotate-keys: status %d", r.status)
	}
	if r := d.mustAnswer(d.call("POST", "/rotate-client-secret", `{"client": "app:1"}`)); r.str("client_secret") == "" {
		t.Errorf("rotate-client-secret: %v", r.json)
	}
	if r := d.call("POST", "/rotate-client-secret", `{"client": "nobody"}`); r.status != http.StatusNotFound {
		t.Errorf("rotate-client-secret: status %d", r.status)
	}
	if r := d.mustAnswer(d.call("POST", "/revoke", string(text))); r.json["revoked"] != 1.0 {
		t.Errorf("revoke: %v", r.json)
	}
	for _, body := range []string{`{"sub": "alice"}`, `{"grant": "x"}`, `{"refresh_token": "x"}`, `{"all": true}`} {
		if r := d.mustAnswer(d.call("POST", "/revoke", body)); r.json["revoked"] != 0.0 {
			t.Errorf("revoke %s: %v", body, r.json)
		}
	}
	if r := d.call("POST", "/revoke", `{}`); r.status != http.StatusBadRequest {
		t.Errorf("revoke nothing: status %d", r.status)
	}
}

func TestAnswersAreHeldAndReleasedOverHTTP(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	rt := d.login().str("refresh_token")
	if r := d.call("POST", "/hold", `{"endpoint": "tokens"}`); r.status != http.StatusBadRequest {
		t.Errorf("status %d", r.status)
	}
	if r := d.call("POST", "/hold", `{"endpoint": "token"}`); r.status != http.StatusNoContent {
		t.Fatalf("status %d", r.status)
	}
	if r := d.mustAnswer(d.call("POST", "/release", "")); r.json["released"] != 1.0 {
		t.Errorf("released %v", r.json)
	}
	d.mustRefresh(rt)
}

func TestTheDeskIsForThisMachinesProgramsOnly(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for _, row := range []struct{ name, header, value string }{
		{"a page", "Origin", "http://localhost:8080"},
		{"a browser", "Sec-Fetch-Site", "none"},
		{"a name that leads here", "Host", "evil.example"},
	} {
		if r := d.call("GET", "/stats", "", row.header, row.value); r.status != http.StatusForbidden {
			t.Errorf("%s: status %d", row.name, r.status)
		}
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1/stats", nil)
	w := httptest.NewRecorder()
	d.idp.Control().ServeHTTP(w, r) // from 192.0.2.1
	if w.Code != http.StatusForbidden {
		t.Errorf("another machine: status %d", w.Code)
	}
	if r := d.call("POST", "/revoke", `{"all": true}`, "Content-Type", "text/plain"); r.status != http.StatusUnsupportedMediaType {
		t.Errorf("a form: status %d", r.status)
	}
	if r := d.get(d.endpoint("/stats")); r.status != http.StatusNotFound {
		t.Errorf("the desk is on the provider's own address: status %d", r.status)
	}
}
