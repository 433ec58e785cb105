package rig

import (
	"encoding/json"
	"net/http"
	"net/url"
	"testing"
	"time"
)

// present presents a refresh token and returns the status and the next one.
func present(t *testing.T, p *Provider, token string) (status int, next string) {
	t.Helper()
	res, err := (&http.Client{Timeout: 10 * time.Second}).PostForm(p.URL+"/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}})
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var body struct {
		Next string `json:"refresh_token"`
	}
	if err := json.NewDecoder(res.Body).Decode(&body); err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, body.Next
}

func TestARefreshTokenIsGoodOnce(t *testing.T) {
	t.Parallel()
	p, err := NewProvider(t.Context(), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for _, row := range []struct {
		token  string
		status int
		next   string
	}{
		{"alice.0", http.StatusOK, "alice.1"},
		{"bob.0", http.StatusOK, "bob.1"},
		{"alice.0", http.StatusBadRequest, ""},
		{"alice.1", http.StatusOK, "alice.2"},
	} {
		if status, next := present(t, p, row.token); status != row.status || next != row.next {
			t.Errorf("%s: %d %q, want %d %q", row.token, status, next, row.status, row.next)
		}
	}
	if a := p.Answers(); a.Refreshed != 3 || a.Reused != 1 || a.By["alice"] != 2 {
		t.Errorf("counted %+v", a)
	}
}

func TestALimitedProviderUsesNothingUp(t *testing.T) {
	t.Parallel()
	p, err := NewProvider(t.Context(), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	p.Behave(0, 1)
	refused := 0
	for n := 0; refused == 0 && n < 100; n++ { // a second may begin between two
		if status, _ := present(t, p, "alice."+string(rune('0'+n%10))); status == http.StatusTooManyRequests {
			refused++
		}
	}
	if a := p.Answers(); refused == 0 || a.Refused != 1 || a.Most < 2 {
		t.Errorf("counted %+v", a)
	}
}

func TestPercentiles(t *testing.T) {
	t.Parallel()
	var took []time.Duration
	for n := range 100 {
		took = append(took, time.Duration(100-n)*time.Millisecond)
	}
	if got := TimesOf(took); got != (Times{P50: 51_000, P99: 100_000, Max: 100_000}) {
		t.Errorf("%+v", got)
	}
	if TimesOf(nil) != (Times{}) {
		t.Error("nothing took some time")
	}
}

func TestTheTypicalPercentileIsThatOfMostSeconds(t *testing.T) {
	t.Parallel()
	var calls []Call
	for second := range 5 {
		for range 100 {
			took := time.Millisecond
			if second == 3 {
				took = time.Second // somebody else had the machine
			}
			calls = append(calls, Call{At: time.Unix(int64(second), 0), Took: took, Status: http.StatusOK})
		}
	}
	if p99 := Typical(calls); p99 != time.Millisecond {
		t.Errorf("p99 is %v", p99)
	}
}

func TestAMetricIsReadByItsName(t *testing.T) {
	t.Parallel()
	n, err := metric("# TYPE x gauge\nx_total 3\nx 1.5e+06\n", "x")
	if err != nil || n != 1_500_000 {
		t.Errorf("%d, %v", n, err)
	}
	if _, err := metric("x 1\n", "y"); err == nil {
		t.Error("there is no y")
	}
}
