//go:build e2e

package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/devidp"
)

// A haul is all that the gateways of a run have shown to their operators (logs, traces, audit
// lines, panics, metrics, explanations), and all that must not stand in it: each code, token,
// verifier and secret that any provider made or heard, and each ticket. It is searched once,
// when all tests are over: a secret of one test must not stand in the log of another, either.
type haul struct {
	dir string

	mu       sync.Mutex
	secrets  map[string]bool
	tickets  map[string]string // the newest one, by the public origin
	gateways int
	explains int
}

var hauled = &haul{secrets: map[string]bool{}, tickets: map[string]string{}}

// hide notes what must not be seen.
func (h *haul) hide(secrets ...string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, secret := range secrets {
		if secret = strings.TrimSpace(secret); len(secret) >= 8 {
			h.secrets[secret] = true
		}
	}
}

// hideForm notes what a gateway sent to a provider.
func (h *haul) hideForm(form map[string][]string) {
	for _, name := range []string{"code", "code_verifier", "refresh_token", "token", "subject_token", "actor_token", "client_secret", "client_assertion", "logout_token"} {
		h.hide(form[name]...)
	}
}

// hideTicket notes the ticket that a browser got at an origin.
func (h *haul) hideTicket(origin, ticket string) {
	h.hide(ticket)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tickets[origin] = ticket
}

// ticketLine is a Set-Cookie that gives a browser its ticket.
var ticketLine = regexp.MustCompile(`^(?:__Host-Http-)?cloakroom=([^;]+)`)

// hideAllOf notes what a development provider made and heard.
func (h *haul) hideAllOf(op *devidp.Server) {
	h.hide(op.Tokens()...)
	for _, r := range op.Requests() {
		h.hideForm(r.Form)
	}
}

// keep adds what a gateway has shown.
func (h *haul) keep(name string, data []byte) error {
	file, err := os.OpenFile(filepath.Join(h.dir, name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	return errors.Join(err, file.Close())
}

// show keeps what a gateway that is about to end tells an operator.
func (g *gateway) show() {
	select {
	case <-g.gone:
		return
	default:
	}
	for _, path := range []string{"/metrics", "/readyz", "/sessions", "/sessions?limit=1"} {
		g.hear(g.admin+path, "", http.Header{"Authorization": {"Bearer " + operatorsToken}})
	}
	public := publicLine.FindSubmatch(g.config())
	if public == nil {
		return
	}
	origin := string(public[1])
	hauled.mu.Lock()
	ticket := hauled.tickets[origin]
	hauled.mu.Unlock()
	_, host, _ := strings.Cut(origin, "://")
	for _, path := range []string{"/api/orders", "/api/vault/x", "/", "/bff/user", "/bff/callback?code=x&state=y"} {
		for _, site := range []string{"same-origin", "cross-site"} {
			answer := g.hear(g.url+path, host, http.Header{"X-Cloakroom-Explain": {operatorsToken}, "Cookie": {"cloakroom=" + ticket}, "Sec-Fetch-Site": {site}})
			if bytes.Contains(answer, []byte(`"csrf"`)) {
				hauled.mu.Lock()
				hauled.explains++
				hauled.mu.Unlock()
			}
		}
	}
}

// operatorsToken is admin.token of the gateways.
const operatorsToken = "the-operators-token-of-these-tests"

var publicLine = regexp.MustCompile(`(?m)^public_url: (http://\S+)$`)

func (g *gateway) config() []byte {
	data, err := os.ReadFile(filepath.Join(g.dir, "config.yaml"))
	if err != nil {
		return nil // the demo has none
	}
	return data
}

// hear keeps the answer to one request, if there is one: many a gateway is at odds with its
// surroundings when a test is over.
func (g *gateway) hear(address, host string, header http.Header) []byte {
	client := http.Client{Timeout: 2 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	req, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		return nil
	}
	req.Header, req.Host = header, host
	res, err := client.Do(req)
	if err != nil {
		return nil
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || g.keep("answers", body) != nil {
		return nil
	}
	return body
}

// land hands over what a gateway has left behind.
func (g *gateway) land() {
	hauled.mu.Lock()
	hauled.gateways++
	hauled.mu.Unlock()
	for _, name := range []string{g.logFile(), g.tracesFile()} {
		data, err := os.ReadFile(name)
		if err == nil {
			err = g.keep(filepath.Base(name), data)
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			g.t.Error(err)
		}
	}
	for _, name := range []string{"session.key", "client.secret"} {
		if data, err := os.ReadFile(filepath.Join(g.dir, name)); err == nil {
			hauled.hide(string(data))
		}
	}
	hauled.hide(operatorsToken)
}

func (g *gateway) keep(what string, data []byte) error {
	return hauled.keep(strings.ReplaceAll(g.t.Name(), "/", " ")+" "+what, data)
}

// search ends a run. Its report says what was searched, and for how much.
func (h *haul) search() (report string, err error) {
	entries, err := os.ReadDir(h.dir)
	if err != nil {
		return "", err
	}
	if h.gateways == 0 {
		return "no gateway ran: nothing to search", nil
	}
	hunt, size := newHunt(h.secrets), 0
	var found []error
	for _, entry := range entries {
		data, err := os.ReadFile(filepath.Join(h.dir, entry.Name()))
		if err != nil {
			return "", err
		}
		size += len(data)
		if at, length := hunt.in(data); at >= 0 {
			before := bytes.LastIndexByte(data[:at], '\n') + 1
			found = append(found, fmt.Errorf("%s: a secret of %d bytes at byte %d, behind %q", entry.Name(), length, at, data[max(before, at-200):at]))
		}
		if panicked.Match(data) {
			found = append(found, fmt.Errorf("%s: a panic", entry.Name()))
		}
	}
	report = fmt.Sprintf("searched %d bytes of logs, traces, metrics and answers of %d gateways, with %d explanations, for %d secrets", size, h.gateways, h.explains, len(h.secrets))
	if size == 0 || len(h.secrets) < 2 {
		found = append(found, errors.New("that proves nothing"))
	}
	return report, errors.Join(found...)
}

// panicked finds what Go writes of a panic, and what the gateway does.
var panicked = regexp.MustCompile(`(?m)^panic: |^goroutine \d+ \[|"msg":"panic"`)
