package proxy

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func headed(tb testing.TB, method string, lines ...string) *http.Request {
	tb.Helper()
	r := httptest.NewRequestWithContext(tb.Context(), method, "/x", nil)
	for _, l := range lines {
		name, value, _ := strings.Cut(l, ": ")
		r.Header.Add(name, value)
	}
	return r
}

const wantsHTML = "Accept: text/html,application/xhtml+xml,*/*;q=0.8"

func TestWhatIsANavigation(t *testing.T) {
	for _, row := range []struct {
		want   bool
		method string
		lines  []string
	}{
		{true, "GET", []string{"Sec-Fetch-Mode: navigate"}},
		{true, "GET", []string{"Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document", wantsHTML}},
		{true, "GET", []string{wantsHTML}},
		{true, "GET", []string{"Accept: application/json, TEXT/HTML;level=1"}},
		{true, "GET", []string{wantsHTML, "X-Requested-With: com.example.app"}}, // an Android WebView
		{false, "GET", []string{wantsHTML, "X-Requested-With: XMLHttpRequest"}},
		{false, "GET", []string{"Sec-Fetch-Mode: navigate", "X-Requested-With: xmlhttprequest"}},
		{false, "GET", []string{"Sec-Fetch-Mode: cors", wantsHTML}},
		{false, "GET", []string{"Sec-Fetch-Site: same-origin", wantsHTML}},
		{false, "GET", []string{"Sec-Fetch-Mode: no-cors", "Sec-Fetch-Dest: image"}},
		{false, "GET", []string{"Sec-Fetch-Mode: navigate", "Sec-Fetch-Mode: navigate"}},
		{false, "POST", []string{"Sec-Fetch-Mode: navigate", wantsHTML}},
		{false, "HEAD", []string{wantsHTML}},
		{false, "GET", []string{"Sec-Fetch-Mode: navigate", "Sec-Purpose: prefetch;prerender"}},
		{false, "GET", []string{wantsHTML, "Purpose: prefetch"}},
		{false, "GET", []string{wantsHTML, "X-Moz: prefetch"}},
		{false, "GET", []string{"Accept: */*"}},
		{false, "GET", []string{"Accept: text/html;q=0, application/json"}},
		{false, "GET", nil},
	} {
		if got := classify(headed(t, row.method, row.lines...)).navigation; got != row.want {
			t.Errorf("%s %v: %v", row.method, row.lines, got)
		}
	}
}

func TestWhomTheGatewayBelieves(t *testing.T) {
	const public = "https://app.example.com"
	good, evil := "Origin: "+public, "Origin: https://evil.example"
	for _, row := range []struct {
		want   bool
		method string
		lines  []string
	}{
		{true, "GET", []string{"Sec-Fetch-Site: same-origin", "Sec-Fetch-Mode: cors"}},
		{true, "POST", []string{"Sec-Fetch-Site: same-origin", good}},
		{true, "GET", []string{"Sec-Fetch-Site: same-origin", "Sec-Fetch-Mode: websocket", good}},
		{false, "POST", []string{"Sec-Fetch-Site: same-origin", evil}},
		{false, "POST", []string{"Sec-Fetch-Site: same-origin", "Origin: null"}},
		{false, "POST", []string{"Sec-Fetch-Site: same-origin", good, good}},
		{false, "POST", []string{"Sec-Fetch-Site: same-origin", "Sec-Fetch-Site: same-origin"}},
		{false, "POST", []string{"Sec-Fetch-Site: same-site", good, "X-CSRF: 1"}},
		{false, "GET", []string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors", "Sec-Fetch-Dest: image"}},
		{false, "GET", []string{"Sec-Fetch-Site: same-site", "Sec-Fetch-Mode: cors", "X-CSRF: 1"}},
		{true, "GET", []string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"}},
		{true, "GET", []string{"Sec-Fetch-Site: none", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"}},
		{false, "GET", []string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: iframe"}},
		{false, "GET", []string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document", evil}},
		{false, "POST", []string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"}},
		{false, "POST", []string{"Sec-Fetch-Site: none", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"}},
		{false, "GET", []string{"Sec-Fetch-Site: none", "Sec-Fetch-Mode: cors"}},
		{false, "GET", []string{"Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"}},
		{true, "POST", []string{good}},
		{true, "POST", []string{"X-CSRF: 1"}},
		{true, "GET", []string{"X-CSRF: 1"}},
		{true, "GET", []string{wantsHTML}},
		{false, "HEAD", []string{wantsHTML}},
		{false, "POST", []string{wantsHTML}},
		{false, "GET", []string{wantsHTML, evil}},
		{false, "POST", []string{"X-CSRF: 1", evil}},
		{false, "POST", []string{"X-CSRF: 0"}},
		{false, "POST", []string{"Origin: http://app.example.com"}},
		{false, "POST", []string{"Origin: https://app.example.com:8443"}},
		{false, "POST", []string{"Origin: https://app.example.com.evil.example"}},
		{false, "POST", []string{"Content-Type: text/plain"}},
		{false, "GET", nil},
		{false, "HEAD", nil},
	} {
		if got := believed(headed(t, row.method, row.lines...), public); got != row.want {
			t.Errorf("%s %v: %v", row.method, row.lines, got)
		}
	}
}

func BenchmarkClassify(b *testing.B) {
	r := headed(b, "GET", "Sec-Fetch-Site: same-origin", "Sec-Fetch-Mode: cors", "Sec-Fetch-Dest: empty", "Accept: */*")
	b.ReportAllocs()
	for b.Loop() {
		if !believed(r, "https://app.example.com") {
			b.Fatal("not believed")
		}
	}
}
