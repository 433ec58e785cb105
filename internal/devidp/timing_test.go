package devidp_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/devidp"
)

// serve runs one request without a network, for the sake of synctest, and reports whether
// the provider cut the connection.
func serve(h http.Handler, r *http.Request) (answer *httptest.ResponseRecorder, cut bool) {
	answer = httptest.NewRecorder()
	defer func() {
		switch v := recover(); v {
		case nil:
		case http.ErrAbortHandler:
			cut = true
		default:
			panic(v)
		}
	}()
	h.ServeHTTP(answer, r)
	return answer, false
}

func refreshRequest(ctx context.Context, rt string) *http.Request {
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/token", strings.NewReader(refreshForm(rt).Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	basic("app:1", secret)(r, nil)
	return r
}

func TestTimingModes(t *testing.T) {
	t.Parallel()
	p := newParty(t, devidp.Knobs{RefreshTokenMode: devidp.Static})
	rt := p.login().str("refresh_token")
	for _, row := range []struct {
		timing    devidp.Timing
		took      time.Duration // of a client that waits a minute
		cut       bool
		committed bool
	}{
		{devidp.Timing{}, 0, false, true},
		{devidp.Timing{Mode: devidp.Instant}, 0, false, true},
		{devidp.Timing{Mode: devidp.Slow, Delay: 3 * time.Second}, 3 * time.Second, false, true},
		{devidp.Timing{Mode: devidp.Slow, Delay: time.Hour}, time.Minute, true, false},
		{devidp.Timing{Mode: devidp.Hang}, time.Minute, true, false},
		{devidp.Timing{Mode: devidp.CommitThenDrop}, 0, true, true},
		{devidp.Timing{Mode: devidp.CommitThenHang}, time.Minute, true, true},
		{devidp.Timing{Mode: devidp.Hang, At: []devidp.Endpoint{devidp.JWKSEndpoint}}, 0, false, true},
	} {
		t.Run(string(row.timing.Mode)+" "+row.timing.Delay.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p.idp.Adjust(func(k *devidp.Knobs) { k.Timing = row.timing })
				before := p.idp.Stats().Refreshes
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				start := time.Now()
				_, cut := serve(p.idp.Provider, refreshRequest(ctx, rt))
				if took := time.Since(start); took != row.took || cut != row.cut {
					t.Errorf("took %v, cut %t", took, cut)
				}
				if committed := p.idp.Stats().Refreshes > before; committed != row.committed {
					t.Errorf("committed %t", committed)
				}
			})
		})
	}
}

func TestALostAnswerIsPresentedAgain(t *testing.T) {
	t.Parallel()
	p := newParty(t, devidp.Knobs{ReuseLeeway: time.Minute})
	rt := p.login().str("refresh_token")
	p.idp.Adjust(func(k *devidp.Knobs) { k.Timing.Mode = devidp.CommitThenDrop })
	if _, err := p.send(t.Context(), "/token", refreshForm(rt)); err == nil {
		t.Fatal("an answer came through a connection that was cut")
	}
	p.idp.Adjust(func(k *devidp.Knobs) { k.Timing.Mode = devidp.Instant })
	p.mustRefresh(rt)
	if got := p.idp.Presentations(rt); got != 2 {
		t.Errorf("presentations %d, want 2", got)
	}
}

func TestAHeldAnswerIsCommittedAndWaits(t *testing.T) {
	t.Parallel()
	p := newParty(t, devidp.Knobs{})
	rt := p.login().str("refresh_token")
	hold := p.idp.Hold(devidp.TokenEndpoint)
	answers := make(chan reply, 1)
	go func() {
		r, err := p.send(t.Context(), "/token", refreshForm(rt))
		if err != nil {
			t.Error(err)
		}
		answers <- r
	}()
	<-hold.Arrived()
	if p.idp.Stats().Refreshes != 1 {
		t.Error("nothing is committed")
	}
	select {
	case r := <-answers:
		t.Fatalf("answer %d before the release", r.status)
	default:
	}
	hold.Release()
	hold.Release()
	rt = p.mustAnswer(<-answers).str("refresh_token")
	p.mustRefresh(rt) // the hold was for one answer
	if n := p.idp.ReleaseAll(); n != 0 {
		t.Errorf("%d holds are left", n)
	}
}

func TestErrorsTakeTheirTurns(t *testing.T) {
	t.Parallel()
	p := newParty(t, devidp.Knobs{})
	rt := p.login().str("refresh_token")
	p.idp.Adjust(func(k *devidp.Knobs) {
		k.ErrorNext = []devidp.CannedAnswer{
			{Status: 429, Body: `{"error":"too_many_requests"}`, Headers: map[string]string{"Retry-After": "5"}, Times: 2},
			{At: devidp.RevocationEndpoint},
			{Status: 307, Headers: map[string]string{"Location": "http://127.0.0.1:1/elsewhere"}},
			{Status: 200, Body: "<html>", Headers: map[string]string{"Content-Type": "text/html"}},
			{Status: 7},
		}
		k.Flap = 2
		k.FlapStatus = 500
	})
	var got []int
	for range 7 {
		r := p.refresh(rt)
		got = append(got, r.status)
		switch r.status {
		case 429:
			if r.header.Get("Retry-After") != "5" || r.str("error") != "too_many_requests" {
				t.Errorf("answer %v %v", r.header, r.text)
			}
		case 307:
			if r.header.Get("Location") != "http://127.0.0.1:1/elsewhere" {
				t.Errorf("Location %q", r.header.Get("Location"))
			}
		}
	}
	want := []int{429, 429, 307, 200, 503, 500, 500}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("statuses %v, want %v", got, want)
		}
	}
	if r := p.post("/revoke", url.Values{"token": {rt}}); r.status != http.StatusServiceUnavailable {
		t.Errorf("revocation: status %d", r.status)
	}
	p.mustRefresh(rt) // nothing of all that was committed
	if got := p.idp.Presentations(rt); got != 8 {
		t.Errorf("presentations %d, want 8", got)
	}
	p.idp.Adjust(func(k *devidp.Knobs) { k.ErrorNext = []devidp.CannedAnswer{{Times: -1}} })
	for range 5 {
		if r := p.refresh(rt); r.status != http.StatusServiceUnavailable {
			t.Errorf("for ever: status %d", r.status)
		}
	}
}

func TestDownIsDownEverywhere(t *testing.T) {
	t.Parallel()
	p := newParty(t, devidp.Knobs{Down: true})
	for _, path := range []string{"/.well-known/openid-configuration", "/jwks", "/authorize", "/userinfo", "/end_session"} {
		if r := p.get(p.endpoint(path)); r.status != http.StatusServiceUnavailable {
			t.Errorf("%s: status %d", path, r.status)
		}
	}
	if r := p.refresh("x"); r.status != http.StatusServiceUnavailable {
		t.Errorf("token: status %d", r.status)
	}
}

func TestAnswersHaveTheProvidersOwnDate(t *testing.T) {
	t.Parallel()
	p := newParty(t, devidp.Knobs{ClockOffset: time.Hour})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.endpoint("/jwks"), nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := p.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	date, err := http.ParseTime(res.Header.Get("Date"))
	if ahead := time.Until(date); err != nil || ahead < 59*time.Minute || ahead > 61*time.Minute {
		t.Errorf("an answer is %s ahead, %v", ahead, err)
	}
}

func TestCloseEndsWhatHangs(t *testing.T) {
	t.Parallel()
	p := newParty(t, devidp.Knobs{})
	rt := p.login().str("refresh_token")
	hold := p.idp.Hold(devidp.TokenEndpoint)
	ended := make(chan error, 1)
	go func() {
		_, err := p.send(context.WithoutCancel(t.Context()), "/token", refreshForm(rt))
		ended <- err
	}()
	<-hold.Arrived()
	p.idp.Close()
	p.idp.Close()
	if err := <-ended; err == nil {
		t.Error("a held answer came through")
	}
}
