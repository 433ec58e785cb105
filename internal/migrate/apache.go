package migrate

import (
	"strconv"
	"strings"
)

// directive is a line of an Apache configuration, or a section with what is in it.
type directive struct {
	name  string
	args  []string
	at    string
	inner []*directive // of a section
}

// readApache reads an Apache configuration: directives, sections, quotes, comments and
// lines that go on.
func readApache(d Document) ([]*directive, error) {
	root := &directive{}
	open := []*directive{root}
	lines := strings.Split(strings.ReplaceAll(d.Text, "\r\n", "\n"), "\n")
	for i := 0; i < len(lines); i++ {
		first, line := i, strings.TrimSpace(lines[i])
		for strings.HasSuffix(line, `\`) && i+1 < len(lines) {
			i++
			line = strings.TrimSpace(strings.TrimSuffix(line, `\`)) + " " + strings.TrimSpace(lines[i])
		}
		if line == "" || line[0] == '#' {
			continue
		}
		here := open[len(open)-1]
		closing, closes := strings.CutPrefix(line, "</")
		if closes {
			if len(open) == 1 || !strings.EqualFold(strings.TrimSuffix(strings.TrimSpace(closing), ">"), here.name) {
				return nil, &fault{d.Name, first + 1, "closes a section that is not open"}
			}
			open = open[:len(open)-1]
			continue
		}
		section := strings.HasPrefix(line, "<")
		if section {
			line = strings.TrimSuffix(line[1:], ">")
		}
		words := apacheWords(line)
		if len(words) == 0 {
			return nil, &fault{d.Name, first + 1, "is no directive"}
		}
		next := &directive{name: words[0], args: words[1:], at: d.Name + ":" + strconv.Itoa(first+1)}
		here.inner = append(here.inner, next)
		if section {
			open = append(open, next)
		}
		if len(open) > maxDepth {
			return nil, &fault{d.Name, first + 1, "has more levels than any configuration"}
		}
	}
	if len(open) > 1 {
		return nil, &fault{d.Name, len(lines), "ends within a section"}
	}
	return root.inner, nil
}

// apacheWords divides a line at spaces that are not within quotes.
func apacheWords(line string) []string {
	var words []string
	var word strings.Builder
	quote, open := byte(0), false
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == '\\' && i+1 < len(line) && (line[i+1] == quote || line[i+1] == '\\' && quote != 0):
			i++
			word.WriteByte(line[i])
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && !open && (c == '"' || c == '\''):
			quote, open = c, true
		case quote == 0 && (c == ' ' || c == '\t'):
			if open {
				words = append(words, word.String())
			}
			word.Reset()
			open = false
		default:
			open = true
			word.WriteByte(c)
		}
	}
	if open {
		words = append(words, word.String())
	}
	return words
}
