package migrate

import (
	"strconv"
	"strings"
)

// readTOML reads the part of TOML that oauth2-proxy's configuration is written in: keys
// with texts, truth values, whole numbers and lists of these. All else is refused, so that
// nothing is read in another way than it was meant.
func readTOML(d Document) ([]*setting, error) {
	r := &tomlReader{name: d.Name, text: strings.ReplaceAll(strings.TrimPrefix(d.Text, "\ufeff"), "\r\n", "\n")}
	var all []*setting
	seen := map[string]bool{}
	for {
		r.skip(true)
		if r.at == len(r.text) {
			return all, nil
		}
		line := r.line()
		name := r.word()
		r.skip(false)
		switch {
		case name == "" || !r.take('='):
			return nil, r.fault("is no key = value: oauth2-proxy's configuration has nothing else")
		case seen[name]:
			return nil, r.fault("has a key that was there before: keep one")
		}
		seen[name] = true
		s := &setting{name: name, at: d.Name + ":" + strconv.Itoa(line)}
		if err := r.values(s); err != nil {
			return nil, err
		}
		all = append(all, s)
		r.skip(false)
		if r.at < len(r.text) && r.text[r.at] != '\n' {
			return nil, r.fault("has something behind the value: write one key a line")
		}
	}
}

type tomlReader struct {
	name string
	text string
	at   int
}

func (r *tomlReader) line() int { return 1 + strings.Count(r.text[:r.at], "\n") }

func (r *tomlReader) fault(what string) error { return &fault{r.name, r.line(), what} }

// skip passes over spaces and comments, and over lines if told so.
func (r *tomlReader) skip(lines bool) {
	for r.at < len(r.text) {
		switch c := r.text[r.at]; {
		case c == ' ' || c == '\t' || lines && c == '\n':
			r.at++
		case c == '#':
			n := strings.IndexByte(r.text[r.at:], '\n')
			if n < 0 {
				r.at = len(r.text)
				return
			}
			r.at += n
		default:
			return
		}
	}
}

func (r *tomlReader) take(c byte) bool {
	if r.at < len(r.text) && r.text[r.at] == c {
		r.at++
		return true
	}
	return false
}

// word is a bare word: a key, a truth value or a number.
func (r *tomlReader) word() string {
	from := r.at
	for r.at < len(r.text) {
		c := r.text[r.at]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' && c != '-' && c != '+' {
			break
		}
		r.at++
	}
	return r.text[from:r.at]
}

// values reads what stands behind the equals sign.
func (r *tomlReader) values(s *setting) error {
	r.skip(false)
	if !r.take('[') {
		v, err := r.value()
		s.values = []string{v}
		return err
	}
	s.values = []string{}
	for {
		r.skip(true)
		if r.take(']') {
			return nil
		}
		v, err := r.value()
		if err != nil {
			return err
		}
		s.values = append(s.values, v)
		r.skip(true)
		if !r.take(',') && (r.at == len(r.text) || r.text[r.at] != ']') {
			return r.fault("has a list without an end, or without a comma")
		}
	}
}

func (r *tomlReader) value() (string, error) {
	rest := r.text[r.at:]
	for _, quotes := range []string{`"""`, `'''`} {
		if strings.HasPrefix(rest, quotes) {
			return "", r.fault("has a text over several lines: write it on one")
		}
	}
	switch {
	case r.take('"'):
		return r.quoted()
	case r.take('\''):
		n := strings.IndexAny(r.text[r.at:], "'\n")
		if n < 0 || r.text[r.at+n] != '\'' {
			return "", r.fault("has a text without its closing quote")
		}
		v := r.text[r.at : r.at+n]
		r.at += n + 1
		return v, nil
	}
	switch w := r.word(); {
	case w == "true" || w == "false":
		return w, nil
	case w != "":
		if n, err := strconv.ParseInt(strings.ReplaceAll(w, "_", ""), 10, 64); err == nil {
			return strconv.FormatInt(n, 10), nil
		}
	}
	return "", r.fault("has a value that is no text in quotes, no true or false, no whole number and no list of these")
}

// quoted reads a text with escapes, up to its closing quote.
func (r *tomlReader) quoted() (string, error) {
	var out strings.Builder
	for r.at < len(r.text) && r.text[r.at] != '\n' {
		c := r.text[r.at]
		r.at++
		switch c {
		case '"':
			return out.String(), nil
		case '\\':
			if err := r.escape(&out); err != nil {
				return "", err
			}
		default:
			out.WriteByte(c)
		}
	}
	return "", r.fault("has a text without its closing quote")
}

func (r *tomlReader) escape(out *strings.Builder) error {
	if r.at == len(r.text) {
		return r.fault("has a text without its closing quote")
	}
	c := r.text[r.at]
	r.at++
	if plain := strings.IndexByte(`btnfr"\`, c); plain >= 0 {
		out.WriteByte("\b\t\n\f\r\"\\"[plain])
		return nil
	}
	digits := map[byte]int{'u': 4, 'U': 8}[c]
	if digits > 0 && r.at+digits <= len(r.text) {
		if n, err := strconv.ParseUint(r.text[r.at:r.at+digits], 16, 32); err == nil && n <= 0x10ffff {
			r.at += digits
			out.WriteRune(rune(n))
			return nil
		}
	}
	return r.fault(`has an escape that TOML does not know: write \\ for a backslash, or take single quotes`)
}
