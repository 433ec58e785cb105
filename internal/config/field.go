package config

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// key describes one key of the file: what parsing, suggestions, overrides, the schema and
// the printed configuration all go by.
type key struct {
	name    string
	field   field
	initial any    // the default, as it would be read: string, bool, int, []string, map
	needed  string // what to write if it is missing, where there is no default
	doc     string // for the schema
}

// field is what may stand as the value of a key, and where it goes.
type field interface {
	// read takes what was written, or a default, into the Config.
	read(r *reader, path string, n *node)
	// schema describes the value in JSON Schema.
	schema() object
	// suffix follows the key's name in the paths of what is below it.
	suffix() string
	// value is what was read; nil for a group, whose keys have values of their own.
	value() any
}

type object = map[string]any

// inner returns the keys below a key.
func (k key) inner() []key {
	switch f := k.field.(type) {
	case group:
		return f
	case interface{ keys() []key }:
		return f.keys()
	}
	return nil
}

// group is a mapping whose keys are described.
type group []key

func (g group) read(r *reader, path string, n *node) { r.group(path, g, n) }
func (g group) suffix() string                       { return "" }
func (g group) value() any                           { return nil }

func (g group) schema() object {
	properties, required := object{}, []string{}
	for _, k := range g {
		s := k.field.schema()
		s["description"] = k.doc
		if k.initial != nil {
			s["default"] = k.initial
		}
		if k.needed != "" {
			required = append(required, k.name)
		}
		properties[k.name] = s
	}
	out := object{"type": "object", "additionalProperties": false, "properties": properties}
	if len(required) > 0 {
		out["required"] = required
	}
	return out
}

// scalar is a single value.
type scalar[T any] struct {
	to     *T
	parse  func(string) (T, error) // the error says what is wrong, without the value
	shape  object                  // JSON Schema
	secret bool                    // never shown
	escape func(string) string     // makes plain text of what a reference stands for
}

func (s scalar[T]) read(r *reader, path string, n *node) {
	value, hidden, ok := r.scalar(path, n, s.escape)
	if !ok {
		return
	}
	if n.kind == truth && s.shape["type"] == "string" && s.shape["enum"] == nil {
		r.problem(path, "is true or false: write text, in quotes if it is meant so")
		return
	}
	parsed, err := s.parse(value)
	switch {
	case err == nil:
		*s.to = parsed
	case hidden || s.secret || withPassword(value):
		r.problem(path, "the value %v", err)
	default:
		r.problem(path, "%s %v", shown(value), err)
	}
}

// withPassword reports whether a value may be a URL with a password in it, however it is
// misspelt.
func withPassword(value string) bool { return strings.Contains(value, "@") }

func (s scalar[T]) suffix() string { return "" }
func (s scalar[T]) value() any     { return *s.to }

// schema allows a reference wherever something else than free text is asked for.
func (s scalar[T]) schema() object {
	out := maps.Clone(s.shape)
	free := out["type"] == "string" && out["enum"] == nil && out["pattern"] == nil
	if free {
		return out
	}
	plain := object{}
	for _, name := range []string{"type", "enum", "pattern", "minimum"} {
		if v, ok := out[name]; ok {
			plain[name] = v
			delete(out, name)
		}
	}
	out["anyOf"] = []any{plain, object{"$ref": "#/$defs/reference"}}
	return out
}

// series is a list whose elements are alike.
type series[T any] struct {
	to      *[]T
	element func(*T) field
	single  bool // one element may stand without the list around it
}

func (s series[T]) read(r *reader, path string, n *node) {
	items := n.items
	switch {
	case n.kind == null:
		items = nil
	case n.kind == list:
	case s.single && n.kind != mapping:
		items = []*node{n}
	default:
		r.problem(path, "is %s: write a list, such as [one, two]", n.kind)
		return
	}
	out := make([]T, len(items))
	for i, item := range items {
		element := fmt.Sprintf("%s[%d]", path, i)
		if s.single && n.kind != list {
			element = path
		}
		if r.place(element, &entry{value: item}) {
			s.element(&out[i]).read(r, element, item)
		}
	}
	*s.to = out
}

func (s series[T]) suffix() string { return "[]" }
func (s series[T]) value() any     { return *s.to }

// keys returns what may stand in an element that is a mapping.
func (s series[T]) keys() []key {
	return key{field: s.element(new(T))}.inner()
}

func (s series[T]) schema() object {
	element := s.element(new(T)).schema()
	out := object{"type": "array", "items": element}
	if s.single {
		return object{"anyOf": []any{element, out}}
	}
	return out
}

// table is a mapping whose keys are free.
type table[T any] struct {
	to      *map[string]T
	element func(*T) field
}

func (t table[T]) read(r *reader, path string, n *node) {
	if n.kind != mapping && n.kind != null {
		r.problem(path, "is %s: write names and values below it", n.kind)
		return
	}
	out := make(map[string]T, len(n.entries))
	for _, e := range n.entries {
		var value T
		if r.place(join(path, e.name), &e) {
			t.element(&value).read(r, join(path, e.name), e.value)
		}
		out[e.name] = value
	}
	*t.to = out
}

func (t table[T]) suffix() string { return "" }
func (t table[T]) value() any     { return *t.to }

func (t table[T]) schema() object {
	return object{"type": "object", "additionalProperties": t.element(new(T)).schema()}
}

// sortedKeys returns the names of a map in order, so that messages come in one.
func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
