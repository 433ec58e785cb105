//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/devidp"
)

// What a replica leaves behind that dies with a refresh token in its hands. Its lease is
// 2 x (provider.timeout + 1 s) + 10 s long: 20 s here, and requests wait for longer.

const fiveHundred = 500

// A provider that takes three seconds and kills the family at a reuse.
func TestFiveHundredCallsOverThreeReplicasAreOneExchange(t *testing.T) {
	t.Parallel()
	f := launch(t, setting{scenario: "500 over 3 replicas", replicas: 3})
	ticket := f.expired()
	f.answersTake(3 * time.Second)
	before := f.provider.Stats().TokenRequests
	if got := f.burst(t.Context(), fiveHundred, ticket, "/api/orders")(); !got.only("200", fiveHundred) {
		t.Errorf("got %v", got)
	}
	f.presented(1, 0, 1)
	if n := f.provider.Stats().TokenRequests - before; n != 1 {
		t.Errorf("%d token requests", n)
	}
	f.neverEnded()
}

func TestAHolderKilledBeforeItsRequestArrivesCostsNobodyTheSession(t *testing.T) {
	t.Parallel()
	f := launch(t, setting{scenario: "500, holder killed before the request", replicas: 3, wait: "60s"})
	ticket := f.expired()
	f.answersTake(3 * time.Second)
	sent := f.token.swallow()
	gather := f.refreshAndKill(ticket, sent, f.token.mend)
	if got := gather(); !got.only("200", fiveHundred) {
		t.Errorf("got %v", got)
	}
	f.presented(1, 0, 1)
	f.neverEnded()
}

func TestAHolderKilledWithTheAnswerIsForgivenByAProviderWithLeeway(t *testing.T) {
	t.Parallel()
	f := launch(t, setting{scenario: "500, holder killed with the answer, leeway", replicas: 3, wait: "60s"})
	f.provider.Adjust(func(k *devidp.Knobs) { k.ReuseLeeway = time.Minute })
	ticket := f.expired()
	held := f.provider.Hold(devidp.TokenEndpoint)
	gather := f.refreshAndKill(ticket, held.Arrived(), held.Release)
	if got := gather(); !got.only("200", fiveHundred) {
		t.Errorf("got %v", got)
	}
	f.presented(2, 0, 2)
	f.neverEnded()
}

func TestAHolderKilledWithTheAnswerOfAStrictProviderIsOneCleanEnd(t *testing.T) {
	t.Parallel()
	f := launch(t, setting{scenario: "500, holder killed with the answer, strict", replicas: 3, wait: "60s"})
	ticket := f.expired()
	held := f.provider.Hold(devidp.TokenEndpoint)
	gather := f.refreshAndKill(ticket, held.Arrived(), held.Release)
	if got := gather(); !got.only("401 session_expired", fiveHundred) {
		t.Errorf("got %v", got)
	}
	f.presented(1, 1, 2)
	f.endedOnce("outcome_lost")
}

// While the access token holds, there is something to lose: nothing is presented.
func TestALostAnswerIsAskedForAgainWhenTheAccessTokenHasRunOut(t *testing.T) {
	t.Parallel()
	f := launch(t, setting{scenario: "holder killed early, strict", replicas: 3, wait: "60s"})
	const lifetime = 25 * time.Second
	f.tokensLast(lifetime)
	ticket, began := f.signIn("user00"), time.Now()
	held := f.provider.Hold(devidp.TokenEndpoint)
	for waiting := true; waiting; { // until it is due, and a call starts the refresh beside
		after(t, 100*time.Millisecond)
		if a := f.ask(t.Context(), f.replicas[0], ticket, http.MethodGet, "/api/orders"); a.status != http.StatusOK {
			t.Fatalf("a call with a token that holds got %v", a)
		}
		select {
		case <-held.Arrived():
			waiting = false
		default:
		}
	}
	f.replicas[0].kill()
	held.Release()
	for time.Since(began) < lifetime-3*time.Second {
		if a := f.get(t.Context(), ticket, "/api/orders"); a.status != http.StatusOK {
			t.Fatalf("with a token that holds a call got %v", a)
		}
		after(t, 100*time.Millisecond)
	}
	f.presented(1, 0, 1)
	after(t, 4*time.Second)
	if got := f.burst(t.Context(), 50, ticket, "/api/orders")(); !got.only("401 session_expired", 50) {
		t.Errorf("after its end: %v", got)
	}
	f.presented(1, 1, 2)
	f.endedOnce("outcome_lost")
}

// T4 with one process: its own lease is void when it comes back.
func TestAGatewayKilledWithTheAnswerComesBackAndSaysSo(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		leeway                  time.Duration
		want                    string
		refreshes, reuses, most int
	}{
		"leeway": {time.Minute, "200", 2, 0, 2},
		"strict": {0, "401 session_expired", 1, 1, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := launch(t, setting{scenario: "T4 killed with the answer, " + name, bolt: true})
			f.provider.Adjust(func(k *devidp.Knobs) { k.ReuseLeeway = row.leeway })
			ticket := f.expired()
			held := f.provider.Hold(devidp.TokenEndpoint)
			gather := f.burst(t.Context(), 1, ticket, "/api/orders")
			<-held.Arrived()
			f.replicas[0].kill()
			held.Release()
			gather()
			f.replicas[0].start()
			if got := f.burst(t.Context(), 50, ticket, "/api/orders")(); !got.only(row.want, 50) {
				t.Errorf("got %v", got)
			}
			f.presented(row.refreshes, row.reuses, row.most)
			if row.leeway == 0 {
				f.endedOnce("outcome_lost")
			} else {
				f.neverEnded()
			}
		})
	}
}

// answersTake makes the provider slow; nothing is committed before.
func (f *fleet) answersTake(d time.Duration) {
	f.provider.Adjust(func(k *devidp.Knobs) { k.Timing = devidp.Timing{Mode: devidp.Slow, Delay: d} })
}

// refreshAndKill makes replica 0 the holder, sends five hundred calls over all, and kills
// the holder once its presentation has come so far; then it sets right what held it up.
func (f *fleet) refreshAndKill(ticket string, soFar <-chan struct{}, right func()) (gather func() tally) {
	f.t.Helper()
	first := make(chan answer, 1)
	go func() { first <- f.ask(f.t.Context(), f.replicas[0], ticket, http.MethodGet, "/api/orders") }()
	select {
	case <-soFar:
	case a := <-first:
		f.t.Fatalf("the holder answers %v", a)
	}
	gather = f.burst(f.t.Context(), fiveHundred, ticket, "/api/orders")
	after(f.t, 500*time.Millisecond)
	f.replicas[0].kill()
	right()
	if a := <-first; a.err == nil {
		f.t.Errorf("the holder answered %v", a)
	}
	return gather
}

// kill -9, again and again, in front of a provider that forgives nothing. A session may be
// lost only where the provider's answer was under way: it has forgotten the old refresh
// token, and the new one is nowhere. The wire makes that a moment of 50 ms.
func TestKillsUnderLoadCostOnlyAnswersUnderWay(t *testing.T) {
	t.Parallel()
	const lag = 50 * time.Millisecond
	everyStore(t, func(t *testing.T, bolt bool) {
		kills := 10
		if long() {
			kills = 100
		}
		f := launch(t, setting{scenario: fmt.Sprintf("%d kills, strict", kills), bolt: bolt, timeout: "3s"})
		f.tokensLast(time.Second)
		tickets := f.signInAll(12)
		f.token.delay(lag)
		var struck []death
		lost, answers := 0, tally{}
		for i := range kills {
			stop := f.load(tickets, 20*time.Millisecond)
			after(t, 300*time.Millisecond+rand.N(500*time.Millisecond))
			g := f.replicas[i%len(f.replicas)]
			k := death{begin: time.Now()}
			g.kill()
			k.end = time.Now()
			struck = append(struck, k)
			g.start()
			after(t, 200*time.Millisecond)
			answers = sum(append(stop(), answers))
			lost += f.replaceEnded(tickets)
		}
		f.tokensLast(10 * time.Minute)
		lost += f.replaceEnded(tickets)
		if rest := answers.but("200", "401 session_expired", "no answer"); len(rest) > 0 {
			t.Errorf("beside 200 and the end of a lost session: %v", rest)
		}
		moments := f.moments(struck)
		if len(moments) != lost || f.provider.Stats().Reuses != lost {
			t.Errorf("%d sessions were lost, %d by answers under way, %d by the provider's count", lost, len(moments), f.provider.Stats().Reuses)
		}
		if most := f.provider.MaxPresentations(); most > 2 {
			t.Errorf("a refresh token was presented %d times", most)
		}
		f.remark = fmt.Sprintf("%d kills at %d sessions, %d lost, the answer came so long before the kill (0s: not at all): %v", kills, len(tickets), lost, moments)
	})
}

// replaceEnded signs in anew whoever was logged out, and returns how many were.
func (f *fleet) replaceEnded(tickets []string) (lost int) {
	f.t.Helper()
	type verdict struct{ got string }
	verdicts := make([]verdict, len(tickets))
	ctx, cancel := context.WithTimeout(f.t.Context(), time.Minute)
	defer cancel()
	done := make(chan int)
	for i, ticket := range tickets {
		go func() { verdicts[i].got = f.get(ctx, ticket, "/api/orders").String(); done <- i }()
	}
	for range tickets {
		<-done
	}
	for i, v := range verdicts {
		switch v.got {
		case "200":
		case "401 session_expired":
			lost++
			tickets[i] = f.signIn(fmt.Sprintf("user%02d", i))
		default:
			f.t.Errorf("session %d: %s", i, v.got)
		}
	}
	return lost
}

// A death is a kill: the process died between the two.
type death struct{ begin, end time.Time }

// moments returns, for each refresh token that came twice, how long before a kill the answer
// to its first presentation had reached the gateway; zero if it never did. Whoever has the
// answer for longer than a write takes, or has used what it brought, has no excuse.
func (f *fleet) moments(struck []death) (before []time.Duration) {
	f.t.Helper()
	const (
		written = 250 * time.Millisecond // two cores, many processes
		onWire  = 500 * time.Millisecond // what the dead have sent still arrives
	)
	used := map[string]bool{}
	for _, c := range f.api.got() {
		used[strings.TrimPrefix(c.authorization, "Bearer ")] = true
	}
	first := map[string]time.Time{}
	for _, r := range f.provider.Requests() {
		rt := r.Form.Get("refresh_token")
		if rt == "" || r.Endpoint != devidp.TokenEndpoint {
			continue
		}
		began, again := first[rt]
		if !again {
			first[rt] = r.Time
			continue
		}
		i := slices.IndexFunc(struck, func(k death) bool { return k.end.After(began.Add(-onWire)) })
		if i < 0 || struck[i].begin.After(r.Time) {
			f.t.Errorf("a refresh token came again after %v, and no kill was between", r.Time.Sub(began))
			continue
		}
		came, ok := f.token.answered(rt)
		held := struck[i].begin.Sub(came.at)
		if !ok || held < 0 {
			held = 0
		}
		if held > written {
			f.t.Errorf("the gateway had the answer for %v and lost it", held)
		}
		if used[came.access] && came.access != "" {
			f.t.Error("a call went out with a token whose refresh token was not stored")
		}
		before = append(before, held.Round(time.Millisecond))
	}
	return before
}
