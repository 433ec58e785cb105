//go:build e2e

package e2e

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/devidp"
)

// A fleet is some replicas of the gateway behind one origin, on one store:
//
//	browser ──▶ front ──┬▶ replica 0 ──┬▶ wire ──▶ provider's token endpoint
//	            calls ──┴▶ replica 1 ──┴▶ wire ──▶ upstream
//	                          └── Redis, or the file of the only one
//
// The front spreads a browser's requests; a test's calls go to the replica that it says,
// or to each in turn, and like a balancer it sends a GET on when a replica dies under it.
type fleet struct {
	t        *testing.T
	url      string
	store    string
	replicas []*gateway
	redis    *redisServer // nil on bbolt
	provider *devidp.Server
	token    *wire // before the token endpoint
	api      *upstream
	upstream *wire // before the upstream
	remark   string

	client *http.Client
	turn   atomic.Uint64
}

// setting is what a scenario wants of a fleet. The zero value is two replicas on Redis.
type setting struct {
	scenario string
	bolt     bool   // one replica on bbolt
	replicas int    // on Redis; zero is two
	store    string // the URL of a store that runs already; empty starts a Redis
	timeout  string // provider.timeout; empty is 4s
	wait     string // session.refresh.wait; empty is 30s
	session  string // further lines of session, each indented by two
	routes   string // further routes
	top      string // further keys of the top level
	log      string // log.level; empty is debug

	prepare func(*fleet) // what is done before the replicas start; nil is nothing
}

// everyStore runs a scenario on bbolt with one replica, and on Redis with two.
func everyStore(t *testing.T, run func(t *testing.T, bolt bool)) {
	t.Helper()
	for _, bolt := range []bool{true, false} {
		t.Run(map[bool]string{true: "bbolt", false: "Redis"}[bolt], func(t *testing.T) {
			t.Parallel()
			run(t, bolt)
		})
	}
}

const providerSecret = "a-development-secret"

// launch starts a fleet.
func launch(t *testing.T, s setting) *fleet {
	t.Helper()
	f := &fleet{t: t, url: fmt.Sprintf("http://localhost:%d", freePort(t))}
	f.keepScore(s.scenario)
	t.Cleanup(f.sound)
	f.provider = provide(t, f.url)
	f.api = startUpstream(t)
	f.token, f.upstream = stretchWire(t, port127(f.provider.URL)), stretchWire(t, port127(f.api.url))
	f.client = &http.Client{
		Transport:     &http.Transport{MaxIdleConnsPerHost: 1000},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       2 * time.Minute,
	}
	t.Cleanup(f.client.CloseIdleConnections)
	n, at := f.openStore(s)
	key, err := exec.CommandContext(t.Context(), binary, "keys", "new").Output()
	if err != nil {
		t.Fatal(err)
	}
	for range n {
		g := newGateway(t)
		own := "127.0.0.1:" + port(g.url)
		g.url = "http://" + own
		g.write("session.key", key)
		g.write("client.secret", []byte(providerSecret))
		g.write("dist/index.html", []byte("<!doctype html><title>app</title><p id=app>The app.</p>"))
		g.write("config.yaml", []byte(f.configuration(s, own, port127(g.admin), at)))
		f.replicas = append(f.replicas, g)
	}
	if s.prepare != nil {
		s.prepare(f)
	}
	for _, g := range f.replicas {
		g.start()
	}
	f.openFront()
	return f
}

// openStore says how many replicas there are, and on what.
func (f *fleet) openStore(s setting) (n int, at string) {
	switch {
	case s.bolt:
		f.store = "bbolt x1"
		return 1, "bolt:./cloakroom.db"
	case s.store == "":
		f.redis = startRedis(f.t)
		s.store = "redis://" + f.redis.addr()
	}
	n = max(2, s.replicas)
	kind, _, _ := strings.Cut(s.store, ":")
	f.store = fmt.Sprintf("%s x%d", kind, n)
	return n, s.store
}

func (f *fleet) configuration(s setting, listen, admin, store string) string {
	or := func(value, zero string) string {
		if value == "" {
			return zero
		}
		return value
	}
	return fmt.Sprintf(`
public_url: %s
listen: %q
admin: {listen: %q, token: the-operators-token-of-these-tests}
provider:
  issuer: %s
  client_id: cloakroom
  client_secret: ${file:./client.secret}
  timeout: %s
  endpoints: {token: "http://%s/token"}
session:
  store: %q
  keys: ["${file:./session.key}"]
  refresh: {wait: %s, rate: %s}
%s
routes:
  - path: /api/
    upstream: http://%s
    headers: {set: {X-User: "{claims.sub}"}}
%s
  - path: /
    files: ./dist
    access: public
log: {level: %s}
%s`, f.url, listen, admin, f.provider.URL, or(s.timeout, "4s"), f.token.addr, store, or(s.wait, "30s"), "200/s", s.session,
		f.upstream.addr, strings.ReplaceAll(s.routes, "UPSTREAM", "http://"+f.upstream.addr), or(s.log, "debug"), s.top)
}

// provide starts the development provider, with users enough for any scenario.
func provide(t *testing.T, app string) *devidp.Server {
	t.Helper()
	users := make([]devidp.User, 40)
	for i := range users {
		name := fmt.Sprintf("user%02d", i)
		users[i] = devidp.User{Login: name, Claims: map[string]any{"name": name, "email": name + "@example.test"}}
	}
	op, err := devidp.Listen(devidp.Config{Users: users, Clients: []devidp.Client{{
		ID: "cloakroom", Secret: providerSecret,
		RedirectURIs: []string{app + "/bff/callback"}, PostLogoutRedirectURIs: []string{app + "/"},
		BackchannelLogoutURI: app + "/bff/backchannel-logout",
	}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		op.Close()
		hauled.hideAllOf(op)
	})
	return op
}

func port127(address string) string { return "127.0.0.1:" + port(address) }

// openFront listens at the public origin.
func (f *fleet) openFront() {
	f.t.Helper()
	l, err := new(net.ListenConfig).Listen(f.t.Context(), "tcp", port127(f.url))
	if err != nil {
		f.t.Fatal(err)
	}
	front := httptest.NewUnstartedServer(&httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(&url.URL{Scheme: "http", Host: port127(f.next().url)})
			p.Out.Host = p.In.Host
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			http.Error(w, err.Error(), http.StatusBadGateway)
		},
	})
	_ = front.Listener.Close() // it came with one of its own
	front.Listener = l
	front.Start()
	f.t.Cleanup(front.Close)
}

func (f *fleet) next() *gateway {
	return f.replicas[f.turn.Add(1)%uint64(len(f.replicas))]
}

// signIn is a login in a fresh browser; it returns the ticket.
func (f *fleet) signIn(login string) string {
	f.t.Helper()
	b := newBrowser(f.t, f.url)
	b.mustSignIn(f.t, login)
	return b.ticket()
}

// signInAll signs n users in, one after the other.
func (f *fleet) signInAll(n int) []string {
	f.t.Helper()
	tickets := make([]string, n)
	for i := range tickets {
		tickets[i] = f.signIn(fmt.Sprintf("user%02d", i))
	}
	return tickets
}

// tokensLast sets the lifetime of the access tokens that come from now on.
func (f *fleet) tokensLast(d time.Duration) {
	f.provider.Adjust(func(k *devidp.Knobs) { k.AccessTokenTTL = d })
}

// expired returns the ticket of user00, whose access token has just run out; the next one
// will last.
func (f *fleet) expired() string {
	f.t.Helper()
	f.tokensLast(time.Second)
	ticket := f.signIn("user00")
	f.tokensLast(10 * time.Minute)
	after(f.t, 1100*time.Millisecond)
	return ticket
}

// An answer is what a script of the app gets.
type answer struct {
	status int
	code   string // of the gateway's own errors
	retry  string // Retry-After
	header http.Header
	body   string
	err    error // there was no answer
}

// String is how a tally counts it.
func (a answer) String() string {
	if a.err != nil {
		return "no answer"
	}
	return strings.TrimSpace(fmt.Sprintf("%d %s", a.status, a.code))
}

// ask sends one request to a replica, as a script of the app.
func (f *fleet) ask(ctx context.Context, g *gateway, ticket, method, path string, header ...string) answer {
	req, err := http.NewRequestWithContext(ctx, method, g.url+path, nil)
	if err != nil {
		return answer{err: err}
	}
	req.Host = strings.TrimPrefix(f.url, "http://")
	if ticket != "" {
		req.AddCookie(&http.Cookie{Name: "cloakroom", Value: ticket})
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	req.Header.Set("Sec-Fetch-Mode", "cors")
	req.Header.Set("Sec-Fetch-Dest", "empty")
	if method != http.MethodGet {
		req.Header.Set("Origin", f.url)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := f.client.Do(req)
	if err != nil {
		return answer{err: err}
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return answer{res.StatusCode, res.Header.Get("Cloakroom-Error"), res.Header.Get("Retry-After"), res.Header, string(body), err}
}

// get is a GET through a balancer: a replica that dies under it is left for the next.
func (f *fleet) get(ctx context.Context, ticket, path string, header ...string) (a answer) {
	first := f.turn.Add(1)
	for i := range uint64(len(f.replicas)) {
		g := f.replicas[(first+i)%uint64(len(f.replicas))]
		if a = f.ask(ctx, g, ticket, http.MethodGet, path, header...); a.err == nil || ctx.Err() != nil {
			break
		}
	}
	return a
}

// call is one call of the app that must succeed.
func (f *fleet) call(ticket string) {
	f.t.Helper()
	if a := f.get(f.t.Context(), ticket, "/api/orders"); a.status != http.StatusOK {
		f.t.Fatalf("the call got %v, %v\n%s", a, a.err, a.body)
	}
}

// burst sends n GETs at once; gather waits for their answers and counts them.
func (f *fleet) burst(ctx context.Context, n int, ticket string, paths ...string) (gather func() tally) {
	answers, wg := make([]answer, n), sync.WaitGroup{}
	for i := range answers {
		wg.Go(func() { answers[i] = f.get(ctx, ticket, paths[i%len(paths)]) })
	}
	return func() tally {
		wg.Wait()
		all := tally{}
		for _, a := range answers {
			all[a.String()]++
		}
		return all
	}
}

// A tally counts answers by what they say.
type tally map[string]int

// only says that all n answers were this one.
func (c tally) only(answer string, n int) bool { return len(c) == 1 && c[answer] == n }

// metric adds up a metric over the replicas that run, by the value of its label.
func (f *fleet) metric(name string) map[string]int {
	f.t.Helper()
	line := regexp.MustCompile(`^` + name + `(?:\{[^"]*"([^"]*)"\})? (\S+)$`)
	sum := map[string]int{}
	for _, g := range f.replicas {
		if g.over() {
			continue
		}
		lines := bufio.NewScanner(bytes.NewReader(g.metrics()))
		for lines.Scan() {
			if m := line.FindStringSubmatch(lines.Text()); m != nil {
				v, err := strconv.ParseFloat(m[2], 64)
				if err != nil {
					f.t.Fatal(err)
				}
				sum[m[1]] += int(v)
			}
		}
	}
	return sum
}

// over says whether the process has ended.
func (g *gateway) over() bool {
	select {
	case <-g.gone:
		return true
	default:
		return false
	}
}

// ends is how many sessions ended, by reason, as the replicas that run have counted.
func (f *fleet) ends() map[string]int {
	f.t.Helper()
	return f.metric("cloakroom_sessions_ended_total")
}

// neverEnded checks that nobody was logged out.
func (f *fleet) neverEnded() {
	f.t.Helper()
	if ends := f.ends(); len(ends) != 0 {
		f.t.Errorf("sessions ended: %v", ends)
	}
}

// endedOnce checks that one session ended, for this reason.
func (f *fleet) endedOnce(reason string) {
	f.t.Helper()
	if ends := f.ends(); !maps.Equal(ends, map[string]int{reason: 1}) {
		f.t.Errorf("sessions ended: %v, want one, %s", ends, reason)
	}
}

// presented checks the provider's counts: exchanges, refused reuses, and how often the
// refresh token that came most often came.
func (f *fleet) presented(refreshes, reuses, most int) {
	f.t.Helper()
	got := f.provider.Stats()
	if got.Refreshes != refreshes || got.Reuses != reuses || got.MaxPresentations != most {
		f.t.Errorf("the provider counts %d refreshes, %d reuses, %d presentations of one refresh token; want %d, %d, %d",
			got.Refreshes, got.Reuses, got.MaxPresentations, refreshes, reuses, most)
	}
}

// sound ends every scenario: no replica panicked, and no log holds a token.
func (f *fleet) sound() {
	if f.provider == nil {
		return
	}
	minted := f.provider.Tokens()
	for i, g := range f.replicas {
		log, err := os.ReadFile(g.logFile())
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			f.t.Error(err)
		}
		for _, word := range []string{"panic", "fatal error", "DATA RACE"} {
			if at := bytes.Index(log, []byte(word)); at >= 0 {
				f.t.Errorf("replica %d: %s", i, log[at:min(len(log), at+2000)])
			}
		}
		if len(minted) < 500 && holds(string(log), minted) >= 0 {
			f.t.Errorf("replica %d: its log holds a token", i)
		}
	}
}

// load calls the API with every ticket, again and again, until stop is called; stop returns
// what each ticket's calls got.
func (f *fleet) load(tickets []string, pause time.Duration) (stop func() []tally) {
	ctx, cancel := context.WithCancel(f.t.Context())
	counts, wg := make([]tally, len(tickets)), sync.WaitGroup{}
	for i, ticket := range tickets {
		counts[i] = tally{}
		wg.Go(func() {
			for tick := time.NewTicker(pause); ; {
				select {
				case <-tick.C:
				case <-ctx.Done():
					tick.Stop()
					return
				}
				a := f.get(ctx, ticket, "/api/orders")
				if ctx.Err() != nil && a.err != nil {
					continue // we left, not the gateway
				}
				counts[i][a.String()]++
				if a.status == http.StatusServiceUnavailable && !waits(a.retry) {
					counts[i]["503 without Retry-After"]++
				}
			}
		})
	}
	return func() []tally {
		cancel()
		wg.Wait()
		return counts
	}
}

// waits says whether a Retry-After says to wait.
func waits(retry string) bool {
	n, err := strconv.Atoi(retry)
	return err == nil && n >= 1
}

// sum adds tallies up.
func sum(all []tally) tally {
	total := tally{}
	for _, c := range all {
		for answer, n := range c {
			total[answer] += n
		}
	}
	return total
}

// but returns what was answered beside the answers that are allowed.
func (c tally) but(allowed ...string) tally {
	rest := maps.Clone(c)
	maps.DeleteFunc(rest, func(answer string, _ int) bool { return slices.Contains(allowed, answer) })
	return rest
}

// long says whether there is time for more.
func long() bool { return os.Getenv("E2E_LONG") != "" }
