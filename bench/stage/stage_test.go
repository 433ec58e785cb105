package stage_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/cloakroom-bff/cloakroom/bench/stage"
)

func TestTheUpstreamAnswersAsMuchAsThePathSays(t *testing.T) {
	t.Parallel()
	upstream := httptest.NewServer(stage.NewUpstream())
	defer upstream.Close()
	u, err := url.Parse(upstream.URL)
	if err != nil {
		t.Fatal(err)
	}
	for _, tuned := range []bool{true, false} {
		bare := httptest.NewServer(stage.NewBare(u, tuned))
		defer bare.Close()
		for path, want := range map[string]int{"/api/1k": stage.KiB, "/public/10k": 10 * stage.KiB, "/api/100k": 100 * stage.KiB, "/api/1m": stage.MiB} {
			for _, method := range []string{http.MethodGet, http.MethodPost} {
				if got := size(t, method, bare.URL+path); got != want {
					t.Errorf("%s %s answers %d bytes, want %d", method, path, got, want)
				}
			}
		}
	}
}

func size(t *testing.T, method, target string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, target, strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "application/json" {
		t.Errorf("%s %s answers %d, %s", method, target, res.StatusCode, res.Header.Get("Content-Type"))
	}
	return len(body)
}
