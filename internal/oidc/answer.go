package oidc

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
)

// answer is what a token endpoint said, as far as it can be read: the members of its JSON
// object, or of a form, which some providers send (GitHub without Accept).
type answer struct {
	status  int
	header  http.Header
	members map[string]json.RawMessage // what was read before flaw, if there is one
	flaw    flaw
	cut     bool // the connection gave out before the body's end
	bound   bool // a proof went along, so that the tokens have to be bound to its key
}

// flaw is what is wrong with a body as such.
type flaw int

const (
	sound    flaw = iota
	brokeOff      // an object that ends before it should
	noObject      // HTML, an array, text, or something behind the object
)

// readAnswer reads as much of a reply as there is. A refresh token in a 2xx that breaks
// off later has replaced the old one all the same.
func readAnswer(r *reply) *answer {
	a := &answer{status: r.status, header: r.header}
	body := bytes.TrimSpace(bytes.TrimPrefix(r.body, []byte("\ufeff")))
	kind, _, _ := mime.ParseMediaType(r.header.Get("Content-Type"))
	switch {
	case bytes.HasPrefix(body, []byte("{")):
		a.readObject(body)
	case kind == "application/x-www-form-urlencoded", kind == "text/plain":
		if a.readForm(string(body)); r.cut != nil {
			// The last value of half a form looks whole. As a refresh token it would
			// take the place of a good one.
			a.members, a.flaw = nil, brokeOff
		}
	case len(body) == 0 && isJSON(kind) && r.status/100 == 2:
		a.flaw = brokeOff
	default:
		a.flaw = noObject
	}
	a.cut = r.cut != nil && !errors.Is(r.cut, errTooBig)
	return a
}

func isJSON(kind string) bool {
	return kind == "application/json" || strings.HasSuffix(kind, "+json")
}

// readObject reads member by member, so that what stands before a flaw is not lost.
func (a *answer) readObject(body []byte) {
	a.members = make(map[string]json.RawMessage)
	dec := json.NewDecoder(bytes.NewReader(body))
	err := a.readMembers(dec)
	switch {
	case err == nil:
		if _, err := dec.Token(); !errors.Is(err, io.EOF) {
			a.flaw = noObject
		}
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		a.flaw = brokeOff
	default:
		a.flaw = noObject
	}
}

func (a *answer) readMembers(dec *json.Decoder) error {
	if _, err := dec.Token(); err != nil { // {
		return err
	}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return err
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return err
		}
		if name, ok := name.(string); ok {
			a.members[name] = value
		}
	}
	_, err := dec.Token() // }
	return err
}

// readForm takes a form only if it is the answer of a token endpoint: any text is a form.
func (a *answer) readForm(body string) {
	form, err := url.ParseQuery(body)
	if err != nil || !form.Has("error") && !form.Has("access_token") && !form.Has("refresh_token") {
		a.flaw = noObject
		return
	}
	a.members = make(map[string]json.RawMessage, len(form))
	for name, values := range form {
		text, err := json.Marshal(values[0])
		if err == nil {
			a.members[name] = text
		}
	}
}

// text returns a member that is a string, else "".
func (a *answer) text(name string) string {
	var s string
	if json.Unmarshal(a.members[name], &s) != nil {
		return ""
	}
	return s
}

// has reports whether a member is there and not null.
func (a *answer) has(name string) bool {
	raw := a.members[name]
	return len(raw) > 0 && string(raw) != "null"
}

// good reports whether the status says success.
func (a *answer) good() bool { return a.status/100 == 2 }

// code returns the error code of a body that was read to its end. Half a body refuses
// nothing.
func (a *answer) code() string {
	if a.flaw != sound {
		return ""
	}
	return a.text("error")
}
