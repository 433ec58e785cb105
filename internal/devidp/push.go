package devidp

import (
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Offer is whether something can, or must, be used.
type Offer string

// The offers.
const (
	Offered  Offer = "offered"
	Demanded Offer = "demanded"
)

// pushed is an authorization request that waits for its browser.
type pushed struct {
	client  string
	form    url.Values
	expires time.Time
}

const referencePrefix = "urn:ietf:params:oauth:request_uri:"

// servePush takes an authorization request ahead of the browser, and answers with a
// reference that is good once, for a minute.
func (p *Provider) servePush(w http.ResponseWriter, r *http.Request) {
	k := p.turned()
	if k.Push == "" {
		p.errorPage(w, http.StatusNotFound, "Requests cannot be pushed here. Turn the knob push.")
		return
	}
	reference, err := p.push(r, k)
	if err != nil {
		p.books.count(func(s *Stats) { s.Refused++ })
		sendRefusal(w, err)
		return
	}
	writeJSON(w, http.StatusCreated, map[string]any{"request_uri": reference, "expires_in": 60})
}

func (p *Provider) push(r *http.Request, k Knobs) (reference string, err error) {
	form, err := readForm(r)
	if err != nil {
		return "", err
	}
	client, err := p.authenticate(r, form)
	if err != nil {
		return "", err
	}
	switch {
	case form.Has("request_uri"):
		return "", refuse("invalid_request", "a reference cannot be pushed")
	case form.Has("request"):
		if form, err = p.opened(r.Context(), client, form, k); err != nil {
			return "", err
		}
	case k.RequestObjects == Demanded:
		return "", refuse("invalid_request", "sign the request (RFC 9101)")
	}
	if form.Get("client_id") != client.ID {
		return "", refuse("invalid_request", "client_id is a parameter of the authorization request, and belongs into it")
	}
	a, problem := p.readTarget(form)
	if problem != "" {
		return "", refuse("invalid_request", problem)
	}
	if refusal := a.read(form, k); refusal != nil {
		return "", refusal
	}
	reference = referencePrefix + random()
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.clock(k)
	for old, other := range p.pushes {
		if !now.Before(other.expires) {
			delete(p.pushes, old)
		}
	}
	p.pushes[reference] = &pushed{client: client.ID, form: cloneForm(form), expires: now.Add(time.Minute)}
	p.books.count(func(s *Stats) { s.Pushes++ })
	return reference, nil
}

// pulled puts the request that a reference stands for in the place of what the browser
// brought. The reference is used up. The problem is for a page.
func (p *Provider) pulled(form url.Values, k Knobs) (_ url.Values, problem string) {
	reference := form.Get("request_uri")
	switch {
	case k.Push == "" || !strings.HasPrefix(reference, referencePrefix):
		return form, ""
	case len(form) > 2 || !form.Has("client_id"):
		return nil, "Beside request_uri there is client_id and nothing else."
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	found := p.pushes[reference]
	delete(p.pushes, reference)
	if found == nil || found.client != form.Get("client_id") || !p.clock(k).Before(found.expires) {
		return nil, "This request_uri is unknown, used, out of date or another client's."
	}
	return found.form, ""
}
