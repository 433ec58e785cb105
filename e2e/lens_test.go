//go:build e2e

package e2e

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"sync"
	"testing"
)

// A lens stands before a provider's token endpoint, for providers that cannot be asked what
// they gave: it notes each answer's tokens and can lose an answer on its way back.
type lens struct {
	url string // in the place of the token endpoint

	mu    sync.Mutex
	forms []url.Values
	gave  []string
	codes []int // the status of each refresh
	lose  int   // so many answers get lost from now on
}

// A tokenAnswer is what of an answer must not be seen anywhere.
type tokenAnswer struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
	ID      string `json:"id_token"`
}

func startLens(t *testing.T, endpoint string, transport http.RoundTripper) *lens {
	t.Helper()
	target, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	l := &lens{}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL, r.Out.Host = target, target.Host
		},
		Transport: transport,
		ModifyResponse: func(res *http.Response) error {
			body, err := io.ReadAll(res.Body)
			if err != nil {
				return err
			}
			res.Body = io.NopCloser(bytes.NewReader(body))
			l.note(res.Request.Header.Get("X-Lens-Grant"), res.StatusCode, body)
			return nil
		},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		form, err := url.ParseQuery(string(body))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		l.mu.Lock()
		l.forms = append(l.forms, form)
		hauled.hideForm(form)
		lost := l.lose > 0
		if lost {
			l.lose--
		}
		l.mu.Unlock()
		r.Body = io.NopCloser(bytes.NewReader(body))
		r.Header.Set("X-Lens-Grant", form.Get("grant_type"))
		if lost {
			proxy.ServeHTTP(httptest.NewRecorder(), r)
			panic(http.ErrAbortHandler) // net/http's way to cut a connection
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	l.url = server.URL + "/token"
	return l
}

func (l *lens) note(grant string, status int, body []byte) {
	var a tokenAnswer
	if json.Unmarshal(body, &a) != nil {
		a = tokenAnswer{}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, token := range []string{a.Access, a.Refresh, a.ID} {
		if token != "" {
			l.gave = append(l.gave, token)
			hauled.hide(token)
		}
	}
	if grant == "refresh_token" {
		l.codes = append(l.codes, status)
	}
}

// secrets lists every token that came by, and every code and refresh token that went.
func (l *lens) secrets() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := slices.Clone(l.gave)
	for _, form := range l.forms {
		if code := form.Get("code"); code != "" {
			all = append(all, code)
		}
	}
	return all
}

// refreshes returns how many refreshes were answered with this status, and the most
// presentations of any one refresh token.
func (l *lens) refreshes(status int) (n, most int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.codes {
		if s == status {
			n++
		}
	}
	presented := map[string]int{}
	for _, form := range l.forms {
		if token := form.Get("refresh_token"); token != "" {
			presented[token]++
			most = max(most, presented[token])
		}
	}
	return n, most
}

// loseNext loses the next answer.
func (l *lens) loseNext() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lose = 1
}

// searchBehind is the search for tokens where the provider keeps no list of them.
func (l *lens) searchBehind(t *testing.T, g *gateway, b *browser, u *upstream, tickets []string) {
	t.Helper()
	minted := l.secrets()
	metrics := string(g.metrics())
	g.stop()
	secrets := append(slices.Clone(minted), tickets...)
	searchFiles(t, g.dir, secrets)
	if holds(metrics, secrets) >= 0 {
		t.Error("the metrics hold a secret")
	}
	searchSightings(t, b.seen, minted)
	searchUpstream(t, u.got(), secrets)
}
