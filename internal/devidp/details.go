package devidp

import (
	"encoding/json"
	"net/url"
	"reflect"
	"slices"
)

// detail is one of the authorization details (RFC 9396 §2).
type detail map[string]any

func (d detail) kind() string {
	name, _ := d["type"].(string)
	return name
}

// readDetails reads the parameter. Where no type is known, it is one of the parameters that
// nobody heeds.
func (k Knobs) readDetails(text string) ([]detail, *Refusal) {
	if k.DetailTypes == nil || text == "" {
		return nil, nil
	}
	var all []detail
	if json.Unmarshal([]byte(text), &all) != nil || len(all) == 0 {
		return nil, refuse("invalid_authorization_details", "no JSON array of objects")
	}
	for _, d := range all {
		if !slices.Contains(k.DetailTypes, d.kind()) {
			return nil, refuse("invalid_authorization_details", "an unknown type")
		}
	}
	return all, nil
}

// narrowDetails returns those that a refresh asks for, or all that the login was granted.
func (k Knobs) narrowDetails(granted []detail, form url.Values) ([]detail, *Refusal) {
	if k.DetailTypes == nil || !form.Has("authorization_details") {
		return granted, nil
	}
	named, refusal := k.readDetails(form.Get("authorization_details"))
	for _, d := range named {
		if !slices.ContainsFunc(granted, func(g detail) bool { return reflect.DeepEqual(g, d) }) {
			return nil, refuse("invalid_authorization_details", "the login was not granted these")
		}
	}
	return named, refusal
}
