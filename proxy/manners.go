package proxy

import (
	"slices"
	"strings"
)

// An upstream's answer is the upstream's own. But the origin that browsers see is shared, by
// all upstreams and by the gateway, so that two things are not for one of them to say: see
// withoutCookies and withoutBoxes. Strict-Transport-Security and Access-Control-* pass.

// withoutCookies removes from a Clear-Site-Data header what would clear cookies: the ticket
// among them, and that of every other application of the domain. "*" means cookies, too.
func withoutCookies(lines []string) []string {
	var kept []string
	for _, directive := range list(lines) {
		if directive != `"cookies"` && directive != `"*"` {
			kept = append(kept, directive)
		}
	}
	if kept == nil {
		return nil
	}
	return []string{strings.Join(kept, ", ")}
}

// boxes are the schemes of challenges for which a browser asks its user for a password, or
// sends one that the system has.
var boxes = [...]string{"basic", "digest", "negotiate", "ntlm"}

// withoutBoxes removes from the challenges of a 401 (RFC 9110 §11.6.1) those for which a
// browser would open a box. Nobody could fill it in: what it makes the browser send goes no
// further than the gateway.
func withoutBoxes(lines []string) []string {
	var kept []string
	for _, line := range lines {
		if line = withoutBoxesIn(line); line != "" {
			kept = append(kept, line)
		}
	}
	return kept
}

func withoutBoxesIn(line string) string {
	p := challengeParser{line}
	var kept []string
	found, box, fresh := false, false, true
	for {
		before := p.rest
		c, ok := p.next()
		if !ok {
			break
		}
		raw := strings.TrimRight(before[:len(before)-len(p.rest)], " \t")
		if fresh { // else it is the token68 of the challenge before
			box = slices.Contains(boxes[:], strings.ToLower(c.scheme))
			found = found || box
		}
		fresh = strings.HasSuffix(raw, ",")
		if !box {
			kept = append(kept, strings.Trim(raw, " \t,"))
		}
	}
	if !found {
		return line
	}
	return strings.Join(kept, ", ")
}
