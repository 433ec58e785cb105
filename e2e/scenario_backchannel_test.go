//go:build e2e

package e2e

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/devidp"
)

// T7. A logout of the provider's during a refresh is as final as the user's own.
func TestABackChannelLogoutDuringARefreshIsFinal(t *testing.T) {
	t.Parallel()
	everyStore(t, func(t *testing.T, bolt bool) {
		f := launch(t, setting{scenario: "T7 back-channel logout during a refresh", bolt: bolt})
		ticket := f.expired()
		held := f.provider.Hold(devidp.TokenEndpoint)
		gather := f.burst(t.Context(), 20, ticket, "/api/orders")
		<-held.Arrived()
		newest := f.provider.RefreshToken("user00")
		f.signsOut(http.StatusOK, devidp.LogoutToken{SID: f.provider.Grants()[0].SID})
		held.Release()
		if got := gather(); !got.only("401 session_expired", 20) {
			t.Errorf("who waited got %v", got)
		}
		f.isOver(ticket)
		eventually(t, 20*time.Second, "the new refresh token is revoked", func() bool {
			return f.revoked(newest) && f.provider.Stats().LiveGrants == 0
		})
		f.isOver(ticket)
		f.presented(1, 0, 1)
		f.endedOnce("backchannel")
	})
}

// signsOut posts a logout token to one of the replicas; its answer must come at once.
func (f *fleet) signsOut(status int, token devidp.LogoutToken) {
	f.t.Helper()
	token.Client = "cloakroom"
	began := time.Now()
	got, err := f.provider.SendLogoutToken(f.t.Context(), "", token)
	if err != nil || got != status {
		f.t.Errorf("the logout token %+v got %d, %v, want %d", token, got, err, status)
	}
	if took := time.Since(began); took > 2*time.Second {
		f.t.Errorf("the answer to a logout token took %v", took)
	}
}

// T7.
func TestALogoutTokenEndsWhatItNamesEverywhere(t *testing.T) {
	t.Parallel()
	everyStore(t, func(t *testing.T, bolt bool) {
		f := launch(t, setting{scenario: "T7 sid, sub, forged, repeated, newer login", bolt: bolt})
		phone, laptop, tablet, other := f.signIn("user00"), f.signIn("user00"), f.signIn("user00"), f.signIn("user01")
		sid := f.provider.Grants()[0].SID
		for _, fault := range []devidp.LogoutFault{
			devidp.LogoutForeignKey, devidp.LogoutAlgNone, devidp.LogoutWrongIssuer, devidp.LogoutWrongAudience, devidp.LogoutNoEvent,
			devidp.LogoutWrongEvent, devidp.LogoutWithNonce, devidp.LogoutExpired, devidp.LogoutStale, devidp.LogoutMissingJTI,
			devidp.LogoutMissingIssued, devidp.LogoutIDToken, devidp.LogoutAccessType,
		} {
			f.signsOut(http.StatusBadRequest, devidp.LogoutToken{SID: sid, Subject: "user00", Fault: fault})
		}
		f.signsOut(http.StatusOK, devidp.LogoutToken{SID: "nobody's", Subject: "user00"})
		for _, ticket := range []string{phone, laptop, tablet, other} {
			f.call(ticket)
		}

		f.signsOut(http.StatusOK, devidp.LogoutToken{SID: sid, Subject: "user00", Fault: devidp.LogoutPlainType})
		f.isOver(phone)
		f.call(laptop)

		after(t, 1100*time.Millisecond) // the provider's time is in whole seconds
		f.signsOut(http.StatusOK, devidp.LogoutToken{Subject: "user00", JTI: "once"})
		f.isOver(laptop)
		f.isOver(tablet)
		after(t, 1100*time.Millisecond)
		phone = f.signIn("user00")
		for range 2 * len(f.replicas) {
			f.signsOut(http.StatusBadRequest, devidp.LogoutToken{Subject: "user00", JTI: "once"})
		}
		f.provider.Adjust(func(k *devidp.Knobs) { k.ClockOffset = -30 * time.Second })
		f.signsOut(http.StatusOK, devidp.LogoutToken{Subject: "user00"})
		f.call(phone)
		f.call(other)
		if ends := f.ends(); len(ends) != 1 || ends["backchannel"] != 3 {
			t.Errorf("sessions ended: %v", ends)
		}
		eventually(t, 20*time.Second, "their refresh tokens are revoked", func() bool { return f.provider.Stats().LiveGrants == 2 })
	})
}

// BC-16. Whichever replica the provider tells, and wherever the streams are.
func TestABackChannelLogoutClosesStreamsOnEveryReplica(t *testing.T) {
	t.Parallel()
	everyStore(t, func(t *testing.T, bolt bool) {
		f := launch(t, setting{
			scenario: "streams of a back-channel logout", bolt: bolt,
			routes: "  - {path: /live/, upstream: " + startStreams(t) + "}",
		})
		ticket, stays := f.signIn("user00"), f.signIn("user01")
		var streams []<-chan time.Time
		for _, g := range f.replicas {
			streams = append(streams, f.listen(g, ticket), f.listen(g, ticket, "Connection", "Upgrade", "Upgrade", "websocket",
				"Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==", "Origin", f.url))
		}
		goesOn := f.listen(f.replicas[0], stays)
		began := time.Now()
		f.signsOut(http.StatusOK, devidp.LogoutToken{Subject: "user00"})
		for i, closed := range streams {
			select {
			case at := <-closed:
				if took := at.Sub(began); took > time.Second {
					t.Errorf("stream %d was open for another %v", i, took)
				}
			case <-time.After(10 * time.Second):
				t.Fatalf("stream %d stays open", i)
			}
		}
		select {
		case <-goesOn:
			t.Error("somebody else's stream was closed")
		default:
		}
		f.isOver(ticket)
	})
}

// signsOutMany ends sessions of forty users by the back channel, among a hundred thousand.
func (f *fleet) signsOutMany(first int) string {
	f.t.Helper()
	var took []time.Duration
	for user := first; user < first+40; user++ {
		began := time.Now()
		f.signsOut(http.StatusOK, devidp.LogoutToken{SID: fmt.Sprintf("sid-live-%d-9", user)})
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	slow := took[len(took)*95/100]
	if slow > 50*time.Millisecond {
		f.t.Errorf("a logout token takes %v, want 50 ms at most", slow)
	}
	if ends := f.ends(); ends["backchannel"] != len(took) {
		f.t.Errorf("ended: %v", ends)
	}
	return fmt.Sprintf("back channel %v", slow.Round(100*time.Microsecond))
}

// listen opens a stream and returns when it was closed.
func (f *fleet) listen(g *gateway, ticket string, header ...string) <-chan time.Time {
	f.t.Helper()
	ctx, leave := context.WithCancel(f.t.Context())
	f.t.Cleanup(leave)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, g.url+"/live/x", nil)
	if err != nil {
		f.t.Fatal(err)
	}
	req.Host = strings.TrimPrefix(f.url, "http://")
	req.AddCookie(&http.Cookie{Name: "cloakroom", Value: ticket})
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := f.client.Do(req)
	if err != nil {
		f.t.Fatal(err)
	}
	body := bufio.NewReader(res.Body)
	if _, err := body.ReadString('o'); err != nil || res.StatusCode >= 300 {
		f.t.Fatalf("the stream began with %d, %v", res.StatusCode, err)
	}
	closed := make(chan time.Time, 1)
	go func() {
		defer res.Body.Close()
		_, _ = body.WriteTo(io.Discard) // however it ends
		closed <- time.Now()
	}()
	return closed
}
