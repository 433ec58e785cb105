package config

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
)

// reader walks a tree of nodes along the description of the keys, fills the Config that
// the description is bound to, and remembers where everything stood.
type reader struct {
	file     string // as in messages
	dir      string // what relative paths are relative to
	env      map[string]string
	top      []key // the whole description, for suggestions
	problems Problems
	warnings Problems

	places map[string]position // of what was written, by path
	broken map[string]bool     // paths whose value could not be read
	files  []Reference         // that ${file:…} named
}

// at returns where a path is written, or where the nearest thing around it is.
func (r *reader) at(path string) position {
	for path != "" {
		if at, ok := r.places[path]; ok {
			return at
		}
		path = parent(path)
	}
	return position{line: 1, column: 1}
}

// place remembers where a value stands: a scalar by itself, else its key. A default stands
// nowhere. It reports whether there is a value to be read.
func (r *reader) place(path string, e *entry) bool {
	at := e.value.at
	if (e.value.kind == list || e.value.kind == mapping) && e.at != (position{}) {
		at = e.at
	}
	if at != (position{}) {
		r.places[path] = at
	}
	r.broken[path] = r.broken[path] || e.value.kind == spoiled
	return e.value.kind != spoiled
}

// parent cuts the last name or index off a path: routes[1].path, routes[1], routes.
func parent(path string) string {
	return path[:max(0, strings.LastIndexAny(path, ".["))]
}

// written reports whether the path stands in the file or in a variable.
func (r *reader) written(path string) bool {
	_, ok := r.places[path]
	return ok
}

// sound reports whether all the paths, and what is around them, could be read: what
// follows from a mistake is not one more mistake.
func (r *reader) sound(paths ...string) bool {
	for _, path := range paths {
		for ; path != ""; path = parent(path) {
			if r.broken[path] {
				return false
			}
		}
	}
	return true
}

// problem reports what is wrong with a path. The text begins with the path.
func (r *reader) problem(path, format string, args ...any) {
	r.broken[path] = true
	r.problems = append(r.problems, r.say(r.at(path), path+": "+fmt.Sprintf(format, args...)))
}

// warn reports what works but weakens.
func (r *reader) warn(path, format string, args ...any) {
	r.warnings = append(r.warnings, r.say(r.at(path), path+": "+fmt.Sprintf(format, args...)))
}

// say makes one line. A name in the file may hold a line break, or what moves a cursor.
func (r *reader) say(at position, text string) Problem {
	text = strings.Map(func(c rune) rune {
		if unicode.IsControl(c) {
			return unicode.ReplacementChar
		}
		return c
	}, text)
	return Problem{File: r.file, Line: at.line, Column: at.column, Variable: at.variable, Text: text}
}

// scalar returns the text of a single value with its references resolved. hidden says
// that the text must not be shown. escape, if there is one, is done to what a reference
// stands for.
func (r *reader) scalar(path string, n *node, escape func(string) string) (value string, hidden, ok bool) {
	switch n.kind {
	case null:
		r.problem(path, "has no value: write one, or leave the key out")
		return "", false, false
	case list, mapping:
		r.problem(path, "is %s: write a single value", n.kind)
		return "", false, false
	}
	before := len(r.files)
	value, hidden, err := r.expand(n.text, escape)
	for i := range r.files[before:] {
		r.files[before+i].Key = path
	}
	if err != nil {
		r.problem(path, "%v", err)
		return "", false, false
	}
	return value, hidden || n.at.variable != "", true
}

// expand replaces the references in s: ${env:NAME}, ${file:PATH}, and $${ for a plain ${.
// foreign says that there was one.
func (r *reader) expand(s string, escape func(string) string) (value string, foreign bool, err error) {
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(s, "${")
		if !found {
			out.WriteString(s)
			return out.String(), foreign, nil
		}
		if escaped, ok := strings.CutSuffix(before, "$"); ok {
			out.WriteString(escaped + "${")
			s = rest
			continue
		}
		out.WriteString(before)
		name, after, closed := strings.Cut(rest, "}")
		if !closed {
			return "", true, fmt.Errorf("${ without a }: write ${env:NAME} or ${file:PATH}, and $${ for a plain ${")
		}
		part, err := r.resolve(name)
		if err != nil {
			return "", true, err
		}
		if escape != nil {
			part = escape(part)
		}
		out.WriteString(part)
		s, foreign = after, true
	}
}

// maxReferenced bounds a referenced file: a secret, not an archive.
const maxReferenced = 64 << 10

// resolve returns what a reference stands for.
func (r *reader) resolve(reference string) (string, error) {
	source, name, _ := strings.Cut(reference, ":")
	switch {
	case source == "env" && name != "":
		value, ok := r.env[name]
		if !ok {
			return "", fmt.Errorf("the environment has no variable %s: set it, or take the reference out", shown(name))
		}
		return value, nil
	case source == "file" && name != "":
		data, err := readFile(r.path(name), maxReferenced)
		if err != nil {
			return "", fmt.Errorf("the file %s cannot be read (%w): create it, or make it readable for this user", shown(name), err)
		}
		r.files = append(r.files, Reference{File: r.path(name)})
		s := strings.TrimSuffix(string(data), "\n")
		return strings.TrimSuffix(s, "\r"), nil
	}
	return "", fmt.Errorf("a ${ that is neither ${env:NAME} nor ${file:PATH}: write one of them, or $${ for a plain ${")
}

// path makes a path of the configuration absolute: relative ones begin at the directory
// of the configuration file.
func (r *reader) path(name string) string {
	if filepath.IsAbs(name) {
		return filepath.Clean(name)
	}
	return filepath.Join(r.dir, name)
}

// readFile reads a regular file of at most limit bytes. The error does not repeat the name.
func readFile(name string, limit int64) ([]byte, error) {
	info, err := os.Stat(name)
	switch {
	case err != nil:
		return nil, cause(err)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("it is no regular file")
	case info.Size() > limit:
		return nil, fmt.Errorf("it has more than %d bytes", limit)
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, cause(err)
	}
	return data, nil
}

// group reads a mapping whose keys are described.
func (r *reader) group(path string, keys []key, n *node) {
	if n.kind == null {
		n = &node{at: n.at, kind: mapping} // a key whose own keys are all comments
	}
	if n.kind != mapping {
		r.problem(path, "is %s: write keys and values below it", n.kind)
		return
	}
	for _, e := range n.entries {
		if !slices.ContainsFunc(keys, func(k key) bool { return k.name == e.name }) {
			r.unknown(join(path, e.name), keys, e)
		}
	}
	for _, k := range keys {
		full := join(path, k.name)
		switch e := n.find(k.name); {
		case e != nil:
			if r.place(full, e) {
				k.field.read(r, full, e.value)
			}
		case r.broken[full]: // it is there, but for a typo
		case k.needed != "":
			r.problem(full, "is missing: write %s: %s", k.name, k.needed)
		case k.initial != nil:
			k.field.read(r, full, literal(k.initial))
		default:
			if g, ok := k.field.(group); ok {
				r.group(full, g, &node{kind: mapping})
			}
		}
	}
}

// unknown reports a key that the description does not have, with the one that may be meant.
func (r *reader) unknown(path string, keys []key, e entry) {
	hint := "leave it out"
	if w := wish(e.name); w != "" {
		hint = w
	} else if near := nearest(e.name, names(keys)); near != "" {
		hint = fmt.Sprintf("did you mean %s?", near)
		r.broken[join(parent(path), near)] = true
	} else if home := find(r.top, "", e.name); home != "" {
		hint = fmt.Sprintf("did you mean %s?", home)
	} else if len(keys) <= 8 {
		hint = "the keys here are " + strings.Join(names(keys), ", ")
	}
	r.broken[path] = true
	where := "on the top level"
	if p := parent(path); p != "" {
		where = "of " + p
	}
	r.problems = append(r.problems, r.say(e.at, fmt.Sprintf("unknown key %s %s: %s", shown(e.name), where, hint)))
}

func names(keys []key) []string {
	out := make([]string, len(keys))
	for i, k := range keys {
		out[i] = k.name
	}
	return out
}

// find returns the full name of the only key with this name, "" if there is none or more.
func find(keys []key, path, name string) string {
	found := map[string]bool{}
	for _, k := range keys {
		full := join(path, k.name)
		if k.name == name {
			found[full] = true
		}
		if inner := find(k.inner(), full+k.field.suffix(), name); inner != "" {
			found[inner] = true
		}
	}
	if len(found) != 1 {
		return ""
	}
	return slices.Collect(maps.Keys(found))[0]
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
