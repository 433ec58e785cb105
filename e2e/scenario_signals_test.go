//go:build e2e

package e2e

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/devidp"
)

const (
	caep = "https://schemas.openid.net/secevent/caep/event-type/"
	risc = "https://schemas.openid.net/secevent/risc/event-type/"
	push = "Bearer what-was-agreed-on-with-the-transmitter"
)

// warned is a fleet with a transmitter of security events.
type warned struct {
	*fleet
	*transmitter
}

func warn(t *testing.T, s setting) *warned {
	t.Helper()
	hauled.hide(push)
	w := &warned{transmitter: startTransmitter(t)}
	s.top += fmt.Sprintf("signals: {issuer: %q, audience: [\"https://app.example/receiver\"], authorization: %q}\n", w.issuer, push)
	w.fleet = launch(t, s)
	return w
}

func (w *warned) subject(name string) map[string]any {
	return map[string]any{"format": "iss_sub", "iss": w.provider.URL, "sub": name}
}

// event is a good event for the public origin.
func (w *warned) event(uri string, payload, subject map[string]any) pushed {
	return pushed{
		To: w.url + "/bff/signals", Authorization: push,
		Claims: map[string]any{
			"iss": w.issuer, "aud": "https://app.example/receiver", "iat": time.Now().Unix(), "jti": rand.Text(),
			"txn": "8675309", "sub_id": subject, "events": map[string]any{uri: payload},
		},
	}
}

func (w *warned) taken(d pushed) received {
	w.fleet.t.Helper()
	got := w.transmitter.send(d)
	if got.Status != http.StatusAccepted || got.Body != "" {
		w.fleet.t.Errorf("the event was answered with %d %s", got.Status, got.Body)
	}
	return got
}

func TestASecurityEventEndsItsSessionsEverywhere(t *testing.T) {
	t.Parallel()
	everyStore(t, func(t *testing.T, bolt bool) {
		w := warn(t, setting{
			scenario: "session-revoked, account-disabled, by subject, sid and address", bolt: bolt,
			routes: "  - {path: /live/, upstream: " + startStreams(t) + "}",
		})
		phone, laptop, other, mail := w.signIn("user00"), w.signIn("user00"), w.signIn("user01"), w.signIn("user02")
		sid := w.provider.Grants()[0].SID
		var streams []<-chan time.Time
		for _, g := range w.replicas {
			w.listen(g, other)
			streams = append(streams, w.listen(g, phone))
		}

		began := time.Now()
		w.taken(w.event(caep+"session-revoked", map[string]any{"initiating_entity": "policy"}, map[string]any{"format": "opaque", "id": sid}))
		for _, closed := range streams {
			select {
			case at := <-closed:
				if took := at.Sub(began); took > time.Second {
					t.Errorf("a stream was open for another %v", took)
				}
			case <-time.After(10 * time.Second):
				t.Fatal("a stream stays open")
			}
		}
		w.isOver(phone)
		w.call(laptop)

		w.taken(w.event(risc+"account-disabled", map[string]any{"reason": "hijacking"}, w.subject("user00")))
		w.isOver(laptop)
		w.taken(w.event(caep+"credential-change", map[string]any{"credential_type": "password", "change_type": "update"}, map[string]any{"format": "email", "email": "User02@Example.test"}))
		w.isOver(mail)
		w.call(other)
		if ends := w.ends(); len(ends) != 1 || ends["signal"] != 3 {
			t.Errorf("sessions ended: %v", ends)
		}
		eventually(t, 20*time.Second, "their refresh tokens are revoked", func() bool { return w.provider.Stats().LiveGrants == 1 })
	})
}

func TestABadSecurityEventIsRefusedAndARepeatedOneDoesNothing(t *testing.T) {
	t.Parallel()
	everyStore(t, func(t *testing.T, bolt bool) {
		w := warn(t, setting{scenario: "events that are malformed, misaddressed, unsigned, repeated", bolt: bolt})
		ticket := w.signIn("user00")
		for name, row := range map[string]struct {
			change func(d *pushed)
			code   string
		}{
			"unsigned":            {func(d *pushed) { d.Key = "none" }, "invalid_key"},
			"by another key":      {func(d *pushed) { d.Key = "foreign" }, "invalid_key"},
			"by an unknown key":   {func(d *pushed) { d.Key, d.Header = "foreign", map[string]any{"kid": "k2"} }, "invalid_key"},
			"of another issuer":   {func(d *pushed) { d.Claims["iss"] = "https://evil.example" }, "invalid_issuer"},
			"for somebody else":   {func(d *pushed) { d.Claims["aud"] = "cloakroom" }, "invalid_audience"},
			"of another type":     {func(d *pushed) { d.Header = map[string]any{"typ": "JWT"} }, "invalid_request"},
			"with exp":            {func(d *pushed) { d.Claims["exp"] = time.Now().Add(time.Hour).Unix() }, "invalid_request"},
			"with sub":            {func(d *pushed) { d.Claims["sub"] = "user00" }, "invalid_request"},
			"without jti":         {func(d *pushed) { delete(d.Claims, "jti") }, "invalid_request"},
			"without subject":     {func(d *pushed) { delete(d.Claims, "sub_id") }, "invalid_request"},
			"without events":      {func(d *pushed) { d.Claims["events"] = map[string]any{} }, "invalid_request"},
			"of last month":       {func(d *pushed) { d.Claims["iat"] = time.Now().AddDate(0, -1, 0).Unix() }, "invalid_request"},
			"of tomorrow":         {func(d *pushed) { d.Claims["iat"] = time.Now().AddDate(0, 0, 1).Unix() }, "invalid_request"},
			"as JSON":             {func(d *pushed) { d.Type = "application/json" }, "invalid_request"},
			"no token":            {func(d *pushed) { d.Claims, d.Token = nil, "hello" }, "invalid_request"},
			"without the header":  {func(d *pushed) { d.Authorization = "" }, "authentication_failed"},
			"with a wrong header": {func(d *pushed) { d.Authorization = "Bearer guess" }, "authentication_failed"},
		} {
			d := w.event(caep+"session-revoked", map[string]any{}, w.subject("user00"))
			row.change(&d)
			if got := w.transmitter.send(d); got.Status != http.StatusBadRequest || got.code() != row.code || got.Type != "application/json" {
				t.Errorf("%s: %d %s %s, want %s", name, got.Status, got.Type, got.Body, row.code)
			}
		}
		w.call(ticket)

		d := w.event(caep+"session-revoked", map[string]any{}, w.subject("user00"))
		first := w.taken(d)
		w.isOver(ticket)
		after(t, 1100*time.Millisecond) // the provider's time is in whole seconds
		ticket = w.signIn("user00")
		for range 2 * len(w.replicas) {
			w.taken(pushed{To: d.To, Authorization: push, Token: first.Token})
		}
		w.call(ticket)
		w.taken(w.event("urn:example:of-nobody", map[string]any{}, w.subject("user00")))
		w.call(ticket)
	})
}

func TestASessionWhoseClaimsHaveChangedRefreshesOnEveryReplicaAndOutlivesAnOutage(t *testing.T) {
	t.Parallel()
	everyStore(t, func(t *testing.T, bolt bool) {
		w := warn(t, setting{scenario: "token-claims-change", bolt: bolt})
		ticket := w.signIn("user00")
		changed := func() {
			w.taken(w.event(caep+"token-claims-change", map[string]any{"claims": map[string]any{"role": "ro-admin"}}, w.subject("user00")))
		}
		changed()
		for range 6 {
			w.call(ticket)
		}
		w.presented(1, 0, 1)

		w.provider.Adjust(func(k *devidp.Knobs) { k.Down = true })
		changed()
		for _, g := range w.replicas {
			eventually(t, 2*time.Second, "every replica waits for the provider", func() bool {
				return w.ask(t.Context(), g, ticket, http.MethodGet, "/api/orders").code == "idp_unavailable"
			})
		}
		w.provider.Adjust(func(k *devidp.Knobs) { k.Down = false })
		eventually(t, 20*time.Second, "the session goes on", func() bool {
			return w.get(t.Context(), ticket, "/api/orders").status == http.StatusOK
		})
		w.neverEnded()
	})
}
