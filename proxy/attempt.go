package proxy

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

const (
	// attemptTTL is how long a user may take to sign in.
	attemptTTL = 10 * time.Minute
	// maxAttempts is how many logins one browser can have under way.
	maxAttempts = 5
	// maxCleared bounds the attempts that one answer clears.
	maxCleared = 40
	// stateTTL is how long a stale callback still knows where its user wanted to go.
	stateTTL = 30 * 24 * time.Hour
)

// attempt is one login under way. It is sealed into a cookie of its own, so that tabs do
// not disturb each other and nothing is stored for a login that nobody finishes.
type attempt struct {
	ID       string `json:"-"` // also in the state; the cookie's name ends in it
	Nonce    string `json:"n"`
	Verifier string `json:"v"` // PKCE, RFC 7636 §4.1
	Issuer   string `json:"i"`
	ClientID string `json:"c"`
	Binding  []byte `json:"b"`           // hash of the browser's login binding
	Replaces []byte `json:"r,omitempty"` // id of the browser's session at the start
	Silent   bool   `json:"s,omitempty"` // prompt=none
	ProofKey string `json:"k,omitempty"` // that the tokens will be bound to, RFC 9449

	// What was asked of the provider and has to be checked in the ID token: acr_values and
	// max_age (OpenID Connect Core §3.1.3.7).
	Asked url.Values `json:"p,omitempty"`
	// Demand is the same, of what the gateway asked for itself.
	Demand map[string]string `json:"d,omitempty"`

	Created time.Time `json:"t"`
}

// newAttempt makes an attempt for the provider with fresh values: 128 bits and more each,
// 256 for the verifier.
func (g *Gateway) newAttempt(binding string, replaces session.ID) *attempt {
	a := &attempt{
		ID: rand.Text(), Nonce: rand.Text(), Verifier: randomText(),
		Issuer: g.cfg.Provider.Issuer(), ClientID: g.cfg.Provider.ClientID(),
		Binding: hashBinding(binding), Created: g.cfg.Now(),
	}
	if !replaces.IsZero() {
		a.Replaces = replaces[:]
	}
	return a
}

// ask remembers those of the provider's parameters, and of what is demanded, that the ID
// token must answer. A cookie has no room for the rest.
func (a *attempt) ask(params url.Values, demand map[string]string) {
	for _, name := range []string{"acr_values", "max_age"} {
		if v := params.Get(name); v != "" {
			if a.Asked == nil {
				a.Asked = url.Values{}
			}
			a.Asked.Set(name, v)
		}
		if v := demand[name]; v != "" {
			if a.Demand == nil {
				a.Demand = map[string]string{}
			}
			a.Demand[name] = v
		}
	}
}

// replaces is the id of the session that the browser had at the start, or zero.
func (a *attempt) replaces() (id session.ID) {
	copy(id[:], a.Replaces)
	return id
}

// usable is nil if the attempt may be finished now, by the browser with these bindings.
func (a *attempt) usable(g *Gateway, bindings []string) error {
	age := g.cfg.Now().Sub(a.Created)
	switch {
	case age < -time.Minute || age > attemptTTL:
		return fmt.Errorf("proxy: the login took %v, %v is the most", age.Round(time.Second), attemptTTL)
	case a.Issuer != g.cfg.Provider.Issuer() || a.ClientID != g.cfg.Provider.ClientID():
		return errors.New("proxy: the login began at another provider or client")
	}
	// A sibling domain can plant an attempt of the attacker's, with a path, beside ours;
	// then this browser would finish the attacker's login. It cannot plant the binding.
	for _, b := range bindings {
		if subtle.ConstantTimeCompare(hashBinding(b), a.Binding) == 1 {
			return nil
		}
	}
	return errors.New("proxy: the login began in another browser")
}

// setAttempt gives the browser the attempt's cookie, and takes the oldest ones away if
// there would be more than maxAttempts.
func (g *Gateway) setAttempt(w http.ResponseWriter, r *http.Request, a *attempt) error {
	box, err := g.box("attempt", attemptTTL)
	if err != nil {
		return err
	}
	data, err := json.Marshal(a)
	if err != nil {
		return fmt.Errorf("proxy: encoding a login attempt: %w", err)
	}
	name := g.attemptPrefix() + a.ID
	value, err := box.Seal(name, data)
	if err != nil {
		return err
	}
	g.pruneAttempts(w, r, maxAttempts-1)
	g.setCookie(w, name, value, g.base, http.SameSiteLaxMode, int(attemptTTL/time.Second))
	return nil
}

// clearAttempt takes an attempt's cookie from the browser.
func (g *Gateway) clearAttempt(w http.ResponseWriter, id string) {
	g.setCookie(w, g.attemptPrefix()+id, "", g.base, http.SameSiteLaxMode, clearCookie)
}

// openAttempt returns the request's attempt with this id.
func (g *Gateway) openAttempt(r *http.Request, id string) (*attempt, error) {
	box, err := g.box("attempt", attemptTTL)
	if err != nil {
		return nil, err
	}
	name := g.attemptPrefix() + id
	for value := range cookieValues(r.Header, name) {
		if a := openAttempt(box, name, value); a != nil {
			a.ID = id
			return a, nil
		}
	}
	return nil, errors.New("proxy: the browser does not know this login, or no longer")
}

// openAttempt returns what a cookie holds, or nil if it is none of ours or too old.
func openAttempt(box *session.Box, name, value string) *attempt {
	data, err := box.Open(name, value)
	if err != nil {
		return nil
	}
	a := &attempt{}
	if json.Unmarshal(data, a) != nil {
		return nil
	}
	return a
}

// pruneAttempts clears all but the newest keep attempts that the request carries. Those
// that do not open count as the oldest: abandoned logins must not pile up until some
// server on the way finds the Cookie header too long.
func (g *Gateway) pruneAttempts(w http.ResponseWriter, r *http.Request, keep int) {
	box, err := g.box("attempt", attemptTTL)
	if err != nil {
		return // the caller has had the same error
	}
	prefix := g.attemptPrefix()
	var live []*attempt
	var dead []string
	for pair := range cookiePairs(r.Header) {
		name, value, _ := strings.Cut(pair, "=")
		id, ours := strings.CutPrefix(name, prefix)
		if !ours || !wellFormedID(id) {
			continue
		}
		if a := openAttempt(box, name, value); a != nil {
			a.ID = id
			live = append(live, a)
		} else {
			dead = append(dead, id)
		}
	}
	slices.SortFunc(live, func(a, b *attempt) int { return b.Created.Compare(a.Created) })
	for _, a := range live[min(keep, len(live)):] {
		dead = append(dead, a.ID)
	}
	for _, id := range dead[:min(maxCleared, len(dead))] {
		g.clearAttempt(w, id)
	}
}

// wellFormedID reports whether id looks like one of ours: what a request says is put into
// no header otherwise.
func wellFormedID(id string) bool {
	return len(id) == len(rand.Text()) && !strings.ContainsFunc(id, func(c rune) bool {
		return (c < 'A' || c > 'Z') && (c < '2' || c > '7')
	})
}

// state is what travels through the provider: which attempt, and where its user wanted to
// go, so that a callback whose attempt is gone still has somewhere to send its user.
type state struct {
	id        string
	returnURL string
}

// sealState returns the state parameter of an authorization request.
func (g *Gateway) sealState(s state) (string, error) {
	box, err := g.box("state", stateTTL)
	if err != nil {
		return "", err
	}
	return box.Seal("state", []byte(s.id+s.returnURL))
}

// openState is the reverse of sealState.
func (g *Gateway) openState(value string) (state, error) {
	box, err := g.box("state", stateTTL)
	if err != nil {
		return state{}, err
	}
	data, err := box.Open("state", value)
	if err != nil {
		return state{}, err
	}
	idLen := len(rand.Text())
	if len(data) < idLen || !wellFormedID(string(data[:idLen])) {
		return state{}, errors.New("proxy: a state of another version")
	}
	return state{id: string(data[:idLen]), returnURL: string(data[idLen:])}, nil
}

// box returns the keyring's box for a purpose of this gateway.
func (g *Gateway) box(purpose string, ttl time.Duration) (*session.Box, error) {
	return g.cfg.Sessions.Keys().Box("proxy/"+purpose, ttl)
}

// randomText returns 256 random bits as 43 unreserved characters.
func randomText() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails
	return base64.RawURLEncoding.EncodeToString(b)
}

func hashBinding(binding string) []byte {
	sum := sha256.Sum256([]byte(binding))
	return sum[:]
}
