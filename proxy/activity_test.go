package proxy

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

func TestPollingKeepsNoSessionAlive(t *testing.T) {
	background := []string{"X-Bff-Background", "1"}
	for name, row := range map[string]struct {
		path   string
		header []string
		lives  bool
	}{
		"a route":                        {"/app/x.txt", nil, true},
		"a route, in the background":     {"/app/x.txt", background, false},
		"a background route":             {"/poll/x.txt", nil, false},
		"a header that says no":          {"/app/x.txt", []string{"X-Bff-Background", "0"}, true},
		"an event stream":                {"/app/x.txt", []string{"Accept", "text/event-stream"}, false},
		"the user":                       {"/bff/user", nil, true},
		"the user, in the background":    {"/bff/user", background, false},
		"the user, who does not slide":   {"/bff/user?slide=false", nil, false},
		"the session":                    {"/bff/session", nil, false},
		"the devices":                    {"/bff/sessions", nil, true},
		"the devices, in the background": {"/bff/sessions", background, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDesk(t)
				dir := t.TempDir()
				if err := os.WriteFile(filepath.Join(dir, "x.txt"), []byte("x"), 0o600); err != nil {
					t.Fatal(err)
				}
				cfg := d.gateway.cfg
				cfg.Routes = []Route{
					{Path: "/app/", Files: dir, StripPrefix: "/app/"},
					{Path: "/poll/", Files: dir, StripPrefix: "/poll/", Background: true},
				}
				var err error
				if d.gateway, err = New(cfg); err != nil {
					t.Fatal(err)
				}
				s, ticket := d.begin(t, d.grant("alice"))
				for range 9 { // over the eight hours of the idle limit
					res := d.do(t, http.MethodGet, row.path, append(d.by(ticket), row.header...)...)
					if res.StatusCode != http.StatusOK {
						t.Fatalf("%s: %s", row.path, res.Status)
					}
					time.Sleep(58 * time.Minute)
				}
				res := d.do(t, http.MethodGet, "/bff/user?slide=false", d.by(ticket)...)
				if lives := res.StatusCode == http.StatusOK; lives != row.lives {
					t.Errorf("after eight hours of it: %s, want a live session %t", res.Status, row.lives)
				}
				if !row.lives && s.State().Ended != session.IdleLimit {
					t.Errorf("ended: %q, want the idle limit", s.State().Ended)
				}
			})
		})
	}
}

func TestTheMarkOfABackgroundRequestIsForTheGatewayAlone(t *testing.T) {
	up := api(t, nil)
	f := open(t, []Route{{Path: "/", Upstream: up.url}})
	_, ticket := f.signIn(t, time.Hour)
	f.get(t, "/", "Cookie: "+f.cookie(ticket), "Sec-Fetch-Site: same-origin", "X-Bff-Background: 1", "X_Bff_Background: 1", "\r\n")
	got := up.last(t)
	for name := range got.Header {
		if canonicalTwin(name) == "X-Bff-Background" {
			t.Errorf("the upstream got %s", name)
		}
	}
	if got.Header.Get("Authorization") == "" {
		t.Error("the upstream got no token")
	}
}
