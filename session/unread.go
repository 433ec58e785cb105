package session

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"strings"
)

// unread is what a record has beyond the fields that this release knows, since a newer one
// wrote it. It goes back into the record with the next write. There may be tokens in it: a
// State holds it behind a pointer, which no print follows.
type unread struct{ session, grant map[string]json.RawMessage }

// decodeState reads the plain text of a record.
func decodeState(plain []byte) (w wireState, rest *unread, err error) {
	strict := json.NewDecoder(bytes.NewReader(plain))
	strict.UseNumber()
	strict.DisallowUnknownFields()
	if err = strict.Decode(&w); err == nil && w.Format <= wireFormat {
		return w, nil, nil // as all are, but for those of a newer release
	}
	var version struct {
		Format int `json:"v"`
	}
	if err = json.Unmarshal(plain, &version); err != nil {
		return w, nil, fmt.Errorf("session: decoding a record: %w", err)
	}
	if version.Format > wireFormat {
		return w, nil, fmt.Errorf("session: record of version %d, this gateway reads up to %d: run the release that wrote it, or a newer one", version.Format, wireFormat)
	}
	w = wireState{}
	lenient := json.NewDecoder(bytes.NewReader(plain))
	lenient.UseNumber()
	if err = lenient.Decode(&w); err == nil {
		rest, err = findUnread(plain)
	}
	if err != nil {
		return w, nil, fmt.Errorf("session: decoding a record: %w", err)
	}
	return w, rest, nil
}

// encode is the plain text of a record, with what another release had put there.
func (w *wireState) encode(rest *unread) ([]byte, error) {
	plain, err := json.Marshal(w)
	if err != nil || rest == nil {
		return plain, err
	}
	all, grant, err := members(plain)
	if err != nil {
		return nil, err
	}
	maps.Copy(grant, rest.grant)
	maps.Copy(all, rest.session)
	if all["grant"], err = json.Marshal(grant); err != nil {
		return nil, err
	}
	return json.Marshal(all)
}

// findUnread returns what is in a record that nothing here reads; nil if that is nothing.
func findUnread(plain []byte) (*unread, error) {
	all, grant, err := members(plain)
	if err != nil {
		return nil, err
	}
	forget(all, reflect.TypeFor[wireState]())
	forget(grant, reflect.TypeFor[wireGrant]())
	if len(all)+len(grant) == 0 {
		return nil, nil
	}
	return &unread{all, grant}, nil
}

// members takes a record's text apart, and its grant.
func members(plain []byte) (all, grant map[string]json.RawMessage, err error) {
	if err := json.Unmarshal(plain, &all); err != nil {
		return nil, nil, err
	}
	if raw, ok := all["grant"]; ok {
		if err := json.Unmarshal(raw, &grant); err != nil {
			return nil, nil, err
		}
	}
	return all, grant, nil
}

// forget takes out what a struct's fields are called.
func forget(of map[string]json.RawMessage, known reflect.Type) {
	for field := range known.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		delete(of, name)
	}
}
