package config

import (
	"encoding/json"
	"strings"
)

// details are authorization details (RFC 9396 §2): a list of objects of which only the type
// is known here. Each is kept as JSON with its members in order, so that two routes that ask
// for the same share a token.
type details struct{ to *[]string }

const detailsExample = "such as [{type: account_information, actions: [read]}]"

func (f details) read(r *reader, path string, n *node) {
	if n.kind != list && n.kind != null {
		r.problem(path, "is %s: write a list of objects that each have a type, %s", n.kind, detailsExample)
		return
	}
	before, all := len(r.problems), make([]string, 0, len(n.items))
	for i, item := range n.items {
		if at := element(path, i); r.place(at, &entry{value: item}) {
			all = append(all, r.detail(at, item))
		}
	}
	if len(r.problems) == before {
		*f.to = all
	}
}

// detail is one object as JSON.
func (r *reader) detail(path string, n *node) string {
	kind := n.find("type")
	switch {
	case n.kind != mapping:
		r.problem(path, "is %s: write an object with a type, %s", n.kind, detailsExample)
		return ""
	case kind == nil:
		r.problem(path, "has no type: write one that the provider knows, %s", detailsExample)
		return ""
	case kind.value.kind != text || kind.value.text == "":
		r.place(join(path, "type"), kind)
		r.problem(join(path, "type"), "is %s: write the name of a type that the provider knows", kind.value.kind)
		return ""
	}
	data, err := json.Marshal(r.json(path, n))
	if err != nil { // it is made of what can be encoded
		r.problem(path, "cannot be written as JSON: %v", err)
	}
	return string(data)
}

// json is a node as what it is in JSON.
func (r *reader) json(path string, n *node) any {
	switch n.kind {
	case mapping:
		out := make(map[string]any, len(n.entries))
		for _, e := range n.entries {
			if at := join(path, e.name); r.place(at, &e) {
				out[e.name] = r.json(at, e.value)
			}
		}
		return out
	case list:
		out := make([]any, len(n.items))
		for i, item := range n.items {
			if at := element(path, i); r.place(at, &entry{value: item}) {
				out[i] = r.json(at, item)
			}
		}
		return out
	case truth:
		return strings.EqualFold(n.text, "true")
	case number:
		if !json.Valid([]byte(n.text)) {
			r.problem(path, "%s is no number in JSON: write it in plain decimals, or in quotes if it is text", shown(n.text))
			return nil
		}
		return json.Number(n.text)
	}
	value, _, _ := r.scalar(path, n, nil)
	return value
}

func (f details) suffix() string { return "[]" }
func (f details) value() any     { return *f.to }

func (f details) schema() object {
	return object{"type": "array", "items": object{"type": "object", "required": []string{"type"}}}
}

// checkDetails looks at who else would ask for authorization details.
func (r *reader) checkDetails(path string, rt *Route, p *Provider) {
	if len(rt.AuthorizationDetails) == 0 || !rt.UsersToken() || !r.sound(path) {
		return
	}
	const param = "authorization_details"
	if _, twice := p.AuthorizeParams[param]; twice {
		r.problem(path, "provider.authorize_params has some, too: write them in one of the two")
	}
	for _, name := range p.LoginParams {
		if name == param {
			r.problem(path, "provider.login_params would let browsers ask for others: write them in one of the two")
		}
	}
}
