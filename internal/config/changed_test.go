package config_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/cloakroom-bff/cloakroom/internal/config"
)

func TestWhatHasChangedIsNamed(t *testing.T) {
	t.Parallel()
	before, _ := load(t, smallest)
	for _, row := range []struct{ old, new, want string }{
		{"", "", ""},
		{"# a single-page app", "# nothing but a comment", ""},
		{"client_secret: ${env:CLIENT_SECRET}", "client_secret: " + clientSecret, ""},
		{"client_secret: ${env:CLIENT_SECRET}", "client_secret: another", "provider.client_secret"},
		{`"${file:key}"`, sessionKey + ", " + config.NewKey(), "session.keys"},
		{"session:\n", "session:\n  refresh: {rate: 5/s}\n  cookie: {same_site: lax}\n", "session.cookie.same_site session.refresh.rate"},
		{"session:\n", "session:\n  store: redis://localhost:6379\n", "session.store"},
		{"http://orders:9000", "http://orders:9001", "routes"},
		{"https://app.", "https://www.", "public_url"},
	} {
		after, _ := load(t, strings.Replace(smallest, row.old, row.new, 1))
		got := config.Changed(before, after)
		// Each file has a directory of its own, where these two begin.
		got = slices.DeleteFunc(got, func(name string) bool {
			return name == "session.store" && after.Session.Store.URL.IsZero() || name == "routes" && row.want != "routes"
		})
		if strings.Join(got, " ") != row.want {
			t.Errorf("%q for %q: %q, want %q", row.new, row.old, got, row.want)
		}
	}
}
