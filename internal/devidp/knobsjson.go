package devidp

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"
)

// durations are the JSON names of the fields of v that are durations.
func durations(v any) (names []string) {
	for field := range reflect.TypeOf(v).Fields() {
		if field.Type == reflect.TypeFor[time.Duration]() {
			names = append(names, field.Tag.Get("json"))
		}
	}
	return names
}

// MarshalJSON writes durations as strings such as "1m30s".
func (k Knobs) MarshalJSON() ([]byte, error) {
	type plain Knobs
	return withWords(plain(k), durations(k))
}

// MarshalJSON writes the delay as a string.
func (t Timing) MarshalJSON() ([]byte, error) {
	type plain Timing
	return withWords(plain(t), durations(t))
}

// UnmarshalJSON changes what the text names and leaves the rest alone. Unknown names are
// errors: a misspelt knob must not be a healthy provider.
func (k *Knobs) UnmarshalJSON(text []byte) error {
	type plain Knobs
	next := *k
	var named struct {
		Preset string `json:"preset"`
	}
	if err := json.Unmarshal(text, &named); err != nil {
		return err
	}
	if manners, ok := Manners(named.Preset); ok {
		manners.ClaimsScript = k.ClaimsScript
		next = manners
	}
	// Decoding writes into the arrays of slices, which snapshots share.
	next.ErrorNext, next.Audiences, next.Timing.At = slices.Clone(next.ErrorNext), slices.Clone(next.Audiences), slices.Clone(next.Timing.At)
	next.ExpiresIn = slices.Clone(next.ExpiresIn)
	next.Scopes, next.RefreshScopes = slices.Clone(next.Scopes), slices.Clone(next.RefreshScopes)
	next.DetailTypes = slices.Clone(next.DetailTypes)
	next.RefreshRefusals = maps.Clone(next.RefreshRefusals)
	if err := readWords(text, (*plain)(&next), durations(next)); err != nil {
		return err
	}
	*k = next
	return nil
}

// UnmarshalJSON is as that of Knobs.
func (t *Timing) UnmarshalJSON(text []byte) error {
	type plain Timing
	return readWords(text, (*plain)(t), durations(*t))
}

// withWords marshals v with these members, durations, as strings.
func withWords(v any, names []string) ([]byte, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(text, &members); err != nil {
		return nil, err
	}
	for _, name := range names {
		var d time.Duration
		if err := json.Unmarshal(members[name], &d); err != nil {
			return nil, err
		}
		members[name] = json.RawMessage(`"` + d.String() + `"`)
	}
	return json.Marshal(members)
}

// readWords is the reverse. It refuses unknown members.
func readWords(text []byte, v any, names []string) error {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(text, &members); err != nil {
		return err
	}
	for _, name := range names {
		member, ok := members[name]
		if !ok {
			continue
		}
		var word string
		if err := json.Unmarshal(member, &word); err != nil {
			return fmt.Errorf(`devidp: %s: write a duration such as "5s"`, name)
		}
		d, err := time.ParseDuration(word)
		if err != nil {
			return fmt.Errorf(`devidp: %s: %q is no duration such as "5s"`, name, word)
		}
		number, err := json.Marshal(d)
		if err != nil {
			return err
		}
		members[name] = number
	}
	text, err := json.Marshal(members)
	if err != nil {
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	return decoder.Decode(v)
}
