//go:build e2e

package e2e

import (
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// A browser is an HTTP client with a browser's manners: a cookie jar that honours
// SameSite=Strict, fetch metadata, redirects and meta refreshes that it follows. It
// remembers all that it saw. Chromium is the judge of the cookie rules; this one is quick.
type browser struct {
	t    *testing.T
	home string // the gateway's origin
	jar  *cookiejar.Jar

	transport http.RoundTripper // the default one, unless a provider has its own certificate

	mu     sync.Mutex
	strict map[string]bool // names of cookies that do not travel across sites
	seen   []sighting
}

// A sighting is an exchange as the browser saw it.
type sighting struct {
	where   string
	request string // URL and headers
	header  http.Header
	body    string
}

// A page is where a navigation ended.
type page struct {
	url    *url.URL
	status int
	header http.Header
	body   string
}

func newBrowser(t *testing.T, home string) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &browser{t: t, home: home, jar: jar, transport: http.DefaultTransport, strict: map[string]bool{}}
}

// visit is an address typed into the bar, followed to where it ends.
func (b *browser) visit(address string) page {
	b.t.Helper()
	return b.navigate(http.MethodGet, b.parse(nil, address), nil, "none")
}

// submit sends a form of the page p.
func (b *browser) submit(p page, action string, fields url.Values) page {
	b.t.Helper()
	return b.navigate(http.MethodPost, b.parse(p.url, action), fields, "same-origin")
}

// fetch is what a script of the app does.
func (b *browser) fetch(method, path string) page {
	b.t.Helper()
	req := b.request(method, b.parse(nil, b.home+path), "")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	req.Header.Set("Sec-Fetch-Mode", "cors")
	req.Header.Set("Sec-Fetch-Dest", "empty")
	if method != http.MethodGet {
		req.Header.Set("Origin", b.home)
	}
	return b.exchange(req, true)
}

var (
	metaRefresh = regexp.MustCompile(`(?i)<meta[^>]+http-equiv=["']?refresh["']?[^>]*content=["']?\s*\d+\s*;\s*url=([^"'>]+)`)
	crossSite   = "cross-site"
)

// navigate walks from hop to hop. Once a redirect has crossed sites, the chain stays
// cross-site; a page that sends on by itself is an initiator of its own.
func (b *browser) navigate(method string, to *url.URL, fields url.Values, site string) page {
	b.t.Helper()
	for range 20 {
		body := ""
		if method == http.MethodPost {
			body = fields.Encode()
		}
		req := b.request(method, to, body)
		req.Header.Set("Accept", "text/html,application/xhtml+xml")
		req.Header.Set("Sec-Fetch-Site", site)
		req.Header.Set("Sec-Fetch-Mode", "navigate")
		req.Header.Set("Sec-Fetch-Dest", "document")
		p := b.exchange(req, site == "same-origin" || site == "none")
		next := p.header.Get("Location")
		hop := metaRefresh.FindStringSubmatch(p.body)
		switch {
		case p.status >= 300 && p.status < 400 && next != "":
			to = b.parse(p.url, next)
			if site != "none" && to.Hostname() != p.url.Hostname() {
				site = crossSite
			}
		case hop != nil:
			to = b.parse(p.url, html.UnescapeString(hop[1]))
			site = "same-origin"
			if to.Hostname() != p.url.Hostname() {
				site = crossSite
			}
		default:
			return p
		}
		method = http.MethodGet
	}
	b.t.Fatalf("the navigation does not end; it is at %s", to.Redacted())
	return page{}
}

func (b *browser) parse(base *url.URL, address string) *url.URL {
	b.t.Helper()
	if base == nil {
		base = &url.URL{}
	}
	u, err := base.Parse(address)
	if err != nil {
		b.t.Fatal(err)
	}
	return u
}

func (b *browser) request(method string, to *url.URL, form string) *http.Request {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), method, to.String(), strings.NewReader(form))
	if err != nil {
		b.t.Fatal(err)
	}
	if form != "" {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Origin", to.Scheme+"://"+to.Host)
	}
	return req
}

// exchange sends one request with the cookies that may travel, and remembers the answer.
func (b *browser) exchange(req *http.Request, sameSite bool) page {
	b.t.Helper()
	for _, c := range b.jar.Cookies(req.URL) {
		if sameSite || !b.isStrict(c.Name) {
			req.AddCookie(c)
		}
	}
	res, err := b.transport.RoundTrip(req)
	if err != nil {
		b.t.Fatalf("%s %s: %v", req.Method, req.URL.Path, err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		b.t.Fatalf("%s %s: %v", req.Method, req.URL.Path, err)
	}
	b.jar.SetCookies(req.URL, res.Cookies())
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range res.Cookies() {
		b.strict[c.Name] = c.SameSite == http.SameSiteStrictMode
		if c.Name == "cloakroom" && c.Value != "" {
			hauled.hideTicket(b.home, c.Value)
		}
	}
	b.seen = append(b.seen, sighting{req.Method + " " + req.URL.Path, req.URL.String(), res.Header, string(body)})
	return page{req.URL, res.StatusCode, res.Header, string(body)}
}

// went says whether the browser was at an address.
func (b *browser) went(address string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.ContainsFunc(b.seen, func(s sighting) bool { return s.request == address })
}

func (b *browser) isStrict(name string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.strict[name]
}

// ticket returns the session cookie's value, empty without one.
func (b *browser) ticket() string {
	for _, c := range b.jar.Cookies(b.parse(nil, b.home+"/")) {
		if c.Name == "cloakroom" {
			return c.Value
		}
	}
	return ""
}

func port(address string) string {
	_, after, _ := strings.Cut(strings.TrimPrefix(address, "http://"), ":")
	return after
}
