package doctor_test

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/app"
	"github.com/cloakroom-bff/cloakroom/internal/config"
	"github.com/cloakroom-bff/cloakroom/internal/devidp"
	"github.com/cloakroom-bff/cloakroom/internal/doctor"
	"github.com/cloakroom-bff/cloakroom/session/boltstore"
)

// serve runs the gateway of a set-up until the test is over.
func (s *setup) serve() {
	s.t.Helper()
	s.listen, s.admin = strings.TrimPrefix(s.public, "http://"), nobody(s.t)
	cfg, _ := s.load()
	a, err := app.New(s.t.Context(), cfg, app.Surroundings{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := a.Run(ctx); err != nil {
			s.t.Error(err)
		}
	})
	s.t.Cleanup(func() {
		stop()
		running.Wait()
	})
}

// ready waits until the gateway's readiness is this status.
func (s *setup) ready(status int) {
	s.t.Helper()
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for range 1000 {
		req, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, "http://"+s.admin+"/readyz", nil)
		if err != nil {
			s.t.Fatal(err)
		}
		if res, err := http.DefaultTransport.RoundTrip(req); err == nil {
			if res.Body.Close(); res.StatusCode == status {
				return
			}
		}
		<-again.C
	}
	s.t.Fatalf("the gateway's readiness is never %d", status)
}

// says reports whether a line of a check has a text.
func says(r doctor.Report, v doctor.Verdict, check, found string) bool {
	for _, l := range r.Lines {
		if l.Check == check && l.Verdict == v && strings.Contains(l.Found, found) {
			return true
		}
	}
	return false
}

func TestBesideARunningGatewayAllIsWell(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	s.serve()
	s.ready(http.StatusOK)
	r := s.examine()
	if bad := troubles(r); len(bad) > 0 {
		t.Errorf("not in order: %q", bad)
	}
	for check, found := range map[string]string{
		"gateway": "running, and ready", "session.store": "open in the running gateway", "public_url": "the gateway answers",
		"listen": "the gateway listens", "admin.listen": "the gateway listens",
	} {
		if !says(r, doctor.Pass, check, found) {
			t.Errorf("%s does not say %q", check, found)
		}
	}
}

func TestAGatewayThatIsNotReadySaysWhy(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	s.turn(func(k *devidp.Knobs) { k.Down = true })
	s.serve()
	s.ready(http.StatusServiceUnavailable)
	if r := s.examine(); !says(r, doctor.Fail, "gateway", "provider: ") {
		t.Errorf("the report is %q", troubles(r))
	}
}

func TestAGatewayThatListensElsewhereIsNoticed(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	s.serve()
	s.ready(http.StatusOK)
	s.listen = nobody(t)
	if r := s.examine(); !says(r, doctor.Fail, "listen", "nobody listens at "+s.listen) {
		t.Errorf("the report is %q", troubles(r))
	}
}

func TestAStoreThatSomebodyElseHasOpenIsNoticed(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	file, err := boltstore.Open(s.path("cloakroom.db"), boltstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if r := s.examine(); !says(r, doctor.Fail, "session.store", "open in another process") {
		t.Errorf("the report is %q", troubles(r))
	}
}

// Dex shows its page whatever prompt says, but checks the address before.
func TestAPageInThePlaceOfARedirectIsHeldAgainstAnotherAddress(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	s.turn(func(k *devidp.Knobs) {
		k.ErrorNext = []devidp.CannedAnswer{
			{At: devidp.AuthorizeEndpoint, Status: http.StatusOK, Body: "Sign in"},
			{At: devidp.AuthorizeEndpoint, Status: http.StatusBadRequest, Body: "Unregistered"},
		}
	})
	if r := s.examine(); len(troubles(r)) > 0 || !says(r, doctor.Pass, "provider.redirect_uri", "an error for any other address") {
		t.Errorf("the report is %q", troubles(r))
	}
}

// What the provider does goes before what it announces.
func TestAMethodThatWorksNeedNotBeAnnounced(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	s.announce(map[string]any{"token_endpoint_auth_methods_supported": []string{"private_key_jwt"}})
	if r := s.examine(); len(troubles(r)) > 0 || !says(r, doctor.Pass, "provider.client_auth", "taken all the same") {
		t.Errorf("the report is %q", troubles(r))
	}
}

func TestALoginThatNeedsNoUserIsNotUsed(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	s.answer(devidp.AuthorizeEndpoint, devidp.CannedAnswer{Status: http.StatusFound, Headers: map[string]string{
		"Location": s.public + "/bff/callback?code=c0de&state=other&iss=" + s.idp.URL,
	}})
	r := s.examine()
	if !says(r, doctor.Pass, "provider.authorization", "was not used") || !says(r, doctor.Fail, "provider.authorization", "lacks our state") {
		t.Errorf("the report is %q", r.Lines)
	}
}

// The doctor knows what a preset knows.
func TestAPresetBringsItsAdvice(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	s.provider = append(s.provider, "preset: auth0")
	r := s.examine()
	if !says(r, doctor.Warn, "provider.audience", "opaque") || !says(r, doctor.Pass, "provider.preset", "Adaptive") {
		t.Errorf("the report is %q", r.Lines)
	}
}

func TestAConfigurationThatCannotBeReadIsAllThereIsToSay(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	for what, edit := range map[string]func(string) string{
		"https": func(c string) string { return strings.Replace(c, s.public, "http://app.example.com", 1) },
		"leave it out": func(c string) string {
			return strings.Replace(c, "  keys:", "  cookie: {domain: example.com}\n  keys:", 1)
		},
		"a key has 32": func(c string) string { return strings.Replace(c, "${file:./session.key}", "c2hvcnQ=", 1) },
		"needs a warning, too": func(c string) string {
			return strings.Replace(c, "  keys:", "  cookie: {same_site: lax}\n  needs a warning, too: 1\n  keys:", 1)
		},
		"client_auth none": func(c string) string { return strings.Replace(c, "timeout: 2s", "client_auth: none", 1) },
	} {
		_, _ = s.load() // it writes the file
		s.write("config.yaml", edit(s.read("config.yaml")))
		_, warnings, err := config.Load(s.path("config.yaml"), []string{"SECRET=" + s.secret})
		problems, ok := err.(config.Problems) //nolint:errorlint // as Load says
		if !ok {
			t.Fatalf("%s: %v", what, err)
		}
		r := doctor.Unreadable(problems, warnings)
		t.Log(text(r.Lines[0]))
		if !says(r, doctor.Fail, "config", what) {
			t.Errorf("%s: the report is %q", what, r.Lines)
		}
		if r.Count(doctor.Warn) != len(warnings) || strings.Contains(what, "warning") && len(warnings) != 1 {
			t.Errorf("%s: %d warnings, and the report is %q", what, len(warnings), r.Lines)
		}
	}
}
