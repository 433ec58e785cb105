package migrate

import "strings"

// plainPaths returns the paths that a regular expression matches, none if it says more
// than paths can. It never returns a path that the expression does not match; where the
// expression means whole segments or parts of them alike, it returns the segments.
func plainPaths(pattern string) []string {
	rest, anchored := strings.CutPrefix(pattern, "^")
	if !anchored {
		return nil
	}
	for _, tail := range []string{"(/.*)?$", "(/.*)?", "(?:/.*)?$", "(/|$)", "(?:/|$)", "($|/)", `(/.*|$)`} {
		if head, ok := strings.CutSuffix(rest, tail); ok {
			return segments(head)
		}
	}
	if head, ok := strings.CutSuffix(rest, "/?$"); ok {
		if p := literalPath(head); p != "" {
			return []string{p}
		}
		return nil
	}
	for _, tail := range []string{".*$", ".*"} {
		if head, ok := strings.CutSuffix(rest, tail); ok {
			return segments(head)
		}
	}
	if head, ok := strings.CutSuffix(rest, "$"); ok && !strings.HasSuffix(head, `\`) {
		if p := literalPath(head); p != "" && !strings.HasSuffix(p, "/") {
			return []string{p}
		}
		return nil
	}
	return segments(rest)
}

// segments are a path and all below it.
func segments(expression string) []string {
	p := literalPath(expression)
	switch {
	case p == "":
		return nil
	case strings.HasSuffix(p, "/"):
		return []string{p}
	}
	return []string{p, p + "/"}
}

// literalPath is the path that an expression without any operator spells, "" if it has one.
func literalPath(expression string) string {
	var out strings.Builder
	for i := 0; i < len(expression); i++ {
		c := expression[i]
		if c == '\\' {
			i++
			if i == len(expression) || strings.IndexByte(`./-_+~`, expression[i]) < 0 {
				return ""
			}
			out.WriteByte(expression[i])
			continue
		}
		// A dot that is not escaped matches itself, too, and in a name of a file that is meant.
		if strings.IndexByte(`*+?()[]{}|^$`, c) >= 0 {
			return ""
		}
		out.WriteByte(c)
	}
	if p := out.String(); plainPath(p) {
		return p
	}
	return ""
}
