package proxy

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"

	"github.com/cloakroom-bff/cloakroom/internal/oidc"
)

// The provider's answer comes to the callback in one of three ways (oidc.ResponseMode):
//
//	GET  ?state=…&code=…&iss=…      as it is
//	GET  ?response=…                signed: nothing of it counts before that is checked
//	POST state=…&code=…, response=… ─▶ hop ─▶ GET ?answer=…
//
// A form comes from the provider's page, across sites, and brings no cookie that is Lax, so
// that nobody can tell whose login it answers. Cookies that are sent with such forms would be
// sent with everybody's. So the form is sealed, and a tiny page of our own brings it to the
// callback in a navigation of the same site. What is sealed keeps the code out of the page, the
// browser's history and the logs on the way.

const (
	// maxCallbackQuery bounds the query of a callback, in bytes. Codes and states are
	// long at some providers.
	maxCallbackQuery = 16 << 10
	// maxCallbackForm bounds the form of a callback; sealed, it must fit into an address.
	maxCallbackForm = 8 << 10
	// answerParam of a callback is a sealed form.
	answerParam = "answer"
)

// answer is an authorization response (RFC 6749 §4.1.2).
type answer struct {
	state, code, iss, error, description, sessionState string
	issPresent                                         bool
	signed                                             string // all of it; but for state, nothing else is known before it is checked
	stale                                              bool   // our own mark: the hop of a stale callback
}

func malformedAnswer() error {
	return badRequest("This is not the answer of a sign-in service. Please start the sign-in again.")
}

// readAnswer parses the query of a callback.
func (g *Gateway) readAnswer(r *http.Request) (*answer, error) {
	if len(r.URL.RawQuery) > maxCallbackQuery {
		return nil, malformedAnswer()
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, malformedAnswer()
	}
	if query.Has(answerParam) && g.cfg.Provider.AnswersByPost() {
		if query, err = g.openForm(query); err != nil {
			return nil, err
		}
	}
	return g.answerOf(query)
}

// answerOf reads an answer's parameters. Unknown ones are ignored; of the known ones two of a
// kind are refused, since two readers might choose differently.
func (g *Gateway) answerOf(values url.Values) (*answer, error) {
	for _, name := range []string{"state", "code", "iss", "error", "error_description", "session_state", "response", "stale"} {
		if len(values[name]) > 1 {
			return nil, malformedAnswer()
		}
	}
	a := &answer{stale: values.Has("stale")}
	if g.cfg.Provider.SignsAnswers() && !a.stale {
		// What is not signed was not said by the provider, whatever it looks like.
		a.signed = values.Get("response")
		a.state = oidc.StateOf(a.signed)
	} else {
		a.fill(values)
	}
	if a.state == "" || a.signed == "" && a.code == "" && a.error == "" && !a.stale {
		return nil, malformedAnswer()
	}
	return a, nil
}

// fill takes the parameters over.
func (a *answer) fill(values url.Values) {
	a.state, a.code, a.error = values.Get("state"), values.Get("code"), values.Get("error")
	a.description, a.sessionState = values.Get("error_description"), values.Get("session_state")
	a.iss, a.issPresent = values.Get("iss"), values.Has("iss")
}

// checkAnswer makes sure that the provider has said it, as far as an answer can tell.
func (g *Gateway) checkAnswer(ctx context.Context, a *answer) error {
	if a.signed == "" {
		return g.cfg.Provider.CheckIssuer(ctx, a.iss, a.issPresent)
	}
	values, err := g.cfg.Provider.OpenAnswer(ctx, a.signed)
	if err != nil {
		return err
	}
	if a.fill(values); a.code == "" && a.error == "" {
		return &oidc.LoginError{Err: errors.New("the signed answer has neither code nor error")}
	}
	return nil
}

// postedCallback answers POST /bff/callback: it brings the provider's form to the callback.
func (g *Gateway) postedCallback(w http.ResponseWriter, r *http.Request) error {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/x-www-form-urlencoded" || r.URL.RawQuery != "" {
		return malformedAnswer()
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxCallbackForm))
	if err != nil {
		if _, large := errors.AsType[*http.MaxBytesError](err); large {
			return err
		}
		return &Problem{Code: BadRequest, Err: err, Detail: "The form could not be read."}
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return malformedAnswer()
	}
	a, err := g.answerOf(form)
	if err != nil || a.stale {
		return malformedAnswer()
	}
	// The state is our own word: who has none of it gets no work out of us.
	if st, err := g.openState(a.state); err != nil {
		return g.staleCallback(w, r, a, st, err)
	}
	sealed, err := g.sealForm(form)
	if err != nil {
		return err
	}
	return g.hop(w, r, g.base+"/callback?"+url.Values{answerParam: {sealed}}.Encode())
}

// sealForm makes a parameter of a form. It opens as long as a state does, since a callback
// that comes again still has to know where its user wanted to go.
func (g *Gateway) sealForm(form url.Values) (string, error) {
	box, err := g.cfg.Sessions.Keys().AddressBox("proxy/answer", stateTTL)
	if err != nil {
		return "", err
	}
	return box.Seal(answerParam, []byte(form.Encode()))
}

// openForm is the reverse.
func (g *Gateway) openForm(query url.Values) (url.Values, error) {
	box, err := g.cfg.Sessions.Keys().AddressBox("proxy/answer", stateTTL)
	if err != nil {
		return nil, err
	}
	if len(query[answerParam]) != 1 {
		return nil, malformedAnswer()
	}
	text, err := box.Open(answerParam, query.Get(answerParam))
	if err != nil {
		return nil, malformedAnswer()
	}
	return url.ParseQuery(string(text))
}
