package migrate

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
)

// readJSON reads a JSON document as .NET does: with comments, and with commas behind the
// last element.
func readJSON(d Document) (*node, error) {
	text := plainJSON(strings.TrimPrefix(d.Text, "\ufeff"))
	r := &jsonReader{name: d.Name, text: text, dec: json.NewDecoder(strings.NewReader(text))}
	r.dec.UseNumber()
	root, err := r.value(0)
	if err != nil {
		return nil, err
	}
	if _, err := r.dec.Token(); !errors.Is(err, io.EOF) {
		return nil, r.fault("goes on behind its end: take out what follows the last bracket")
	}
	return root, nil
}

// plainJSON puts spaces in the place of comments and of commas before a closing bracket,
// so that lines stay where they are.
func plainJSON(s string) string {
	out := []byte(s)
	comma := -1
	for i := 0; i < len(out); i++ {
		switch c := out[i]; {
		case c == '"':
			for i++; i < len(out) && out[i] != '"'; i++ {
				if out[i] == '\\' {
					i++
				}
			}
			comma = -1
		case c == '/' && i+1 < len(out) && (out[i+1] == '/' || out[i+1] == '*'):
			i = blank(out, i)
		case c == ',':
			comma = i
		case c == '}' || c == ']':
			if comma >= 0 {
				out[comma] = ' '
			}
			comma = -1
		case c != ' ' && c != '\t' && c != '\n' && c != '\r':
			comma = -1
		}
	}
	return string(out)
}

// blank overwrites the comment that begins at i, and returns its last byte.
func blank(text []byte, i int) int {
	end := len(text)
	if text[i+1] == '*' {
		if n := bytes.Index(text[i+2:], []byte("*/")); n >= 0 {
			end = i + 2 + n + 2
		}
	} else if n := bytes.IndexByte(text[i:], '\n'); n >= 0 {
		end = i + n
	}
	for j := i; j < end; j++ {
		if text[j] != '\n' {
			text[j] = ' '
		}
	}
	return end - 1
}

type jsonReader struct {
	name string
	text string
	dec  *json.Decoder
}

func (r *jsonReader) line() int {
	return 1 + strings.Count(r.text[:min(int(r.dec.InputOffset()), len(r.text))], "\n")
}

func (r *jsonReader) fault(what string) error { return &fault{r.name, r.line(), what} }

func (r *jsonReader) token() (json.Token, error) {
	t, err := r.dec.Token()
	if err != nil {
		// The error's own text shows what stands there.
		return nil, r.fault("is not JSON")
	}
	return t, nil
}

func (r *jsonReader) value(depth int) (*node, error) {
	if depth > maxDepth {
		return nil, r.fault("has more levels than any configuration")
	}
	t, err := r.token()
	if err != nil {
		return nil, err
	}
	n := &node{line: r.line()}
	switch v := t.(type) {
	case json.Delim:
		if v == '{' {
			return n, r.object(n, depth)
		}
		n.shape = listNode
		for r.dec.More() {
			item, err := r.value(depth + 1)
			if err != nil {
				return nil, err
			}
			n.items = append(n.items, item)
		}
		_, err := r.token()
		return n, err
	case string:
		n.shape, n.text = scalarNode, v
	case json.Number:
		n.shape, n.text = scalarNode, v.String()
	case bool:
		n.shape, n.text = scalarNode, map[bool]string{true: "true", false: "false"}[v]
	}
	return n, nil
}

func (r *jsonReader) object(n *node, depth int) error {
	n.shape = mappingNode
	for r.dec.More() {
		t, err := r.token()
		if err != nil {
			return err
		}
		name, ok := t.(string)
		if !ok {
			return r.fault("is not JSON")
		}
		line := r.line()
		value, err := r.value(depth + 1)
		if err != nil {
			return err
		}
		n.add(name, line, value)
	}
	_, err := r.token()
	return err
}

// add adds a field. A name with colons is a path, as .NET has it.
func (n *node) add(name string, line int, value *node) {
	first, rest, nested := strings.Cut(name, ":")
	if !nested || first == "" || rest == "" || strings.HasPrefix(rest, "//") {
		n.fields = append(n.fields, field{name, line, value})
		return
	}
	inner := n.get(first)
	if inner == nil || inner.shape != mappingNode {
		inner = &node{line: line, shape: mappingNode}
		n.fields = append(n.fields, field{first, line, inner})
	}
	inner.fields = append(inner.fields, field{rest, line, value})
}
