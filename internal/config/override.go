package config

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// override puts what the CLOAKROOM_ variables say into the tree, before it is read: a
// variable's value goes through the same fields as the file's.
func (r *reader) override(root *node, keys []key, variables map[string]string) {
	targets := map[string]target{}
	collect(targets, nil, keys, root)
	names := sortedKeys(targets)
	for _, name := range sortedKeys(variables) {
		at := position{variable: name}
		t, ok := targets[name]
		if !ok {
			hint := "unset it; the names follow the keys, as CLOAKROOM_SESSION_IDLE_TIMEOUT does session.idle_timeout"
			if near := nearest(name, names); near != "" {
				hint = fmt.Sprintf("did you mean %s?", near)
			}
			r.problems = append(r.problems, r.say(at, "no key has this name: "+hint))
			continue
		}
		value := &node{at: at, kind: text, text: variables[name]}
		if t.list {
			value = &node{at: at, kind: list, items: split(value)}
		}
		graft(root, t.steps, value)
	}
}

// target is what a variable stands for.
type target struct {
	steps []string // names and indexes from the root
	list  bool
}

// split makes a list of a variable's value: commas are between its elements.
func split(n *node) []*node {
	var out []*node
	for part := range strings.SplitSeq(n.text, ",") {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, &node{at: n.at, kind: text, text: part})
		}
	}
	return out
}

// collect names every scalar and every list of scalars. What stands in a list of mappings
// is named by its index in the file.
func collect(targets map[string]target, steps []string, keys []key, n *node) {
	for _, k := range keys {
		full := append(slices.Clip(steps), k.name)
		var below *node
		if n != nil && n.kind == mapping {
			if e := n.find(k.name); e != nil {
				below = e.value
			}
		}
		switch inner := k.inner(); {
		case k.free():
		case inner == nil:
			targets[variable(full)] = target{full, k.field.suffix() != ""}
		case k.field.suffix() == "":
			collect(targets, full, inner, below)
		case below != nil:
			for i, item := range below.items {
				collect(targets, append(slices.Clip(full), strconv.Itoa(i)), inner, item)
			}
		}
	}
}

// free reports whether the key is a mapping with keys of the operator's own, which no
// variable can name: their letter case would be lost. A list of such is one, too.
func (k key) free() bool {
	if _, ok := k.field.(details); ok {
		return true
	}
	_, ok := k.field.schema()["additionalProperties"].(object)
	return ok
}

// variable is the name that stands for a key.
func variable(steps []string) string {
	return prefix + strings.ToUpper(strings.Join(steps, "_"))
}

// graft puts a value into the tree, with the mappings on the way. Where something else is
// on the way, nothing is put: reading reports that.
func graft(n *node, steps []string, value *node) {
	for len(steps) > 1 {
		if n.kind == null {
			n.kind = mapping
		}
		if n.kind == list {
			i, err := strconv.Atoi(steps[0])
			if err != nil || i >= len(n.items) {
				return
			}
			n, steps = n.items[i], steps[1:]
			continue
		}
		if n.kind != mapping {
			return
		}
		if n.find(steps[0]) == nil {
			n.put(steps[0], &node{at: value.at, kind: mapping})
		}
		n, steps = n.find(steps[0]).value, steps[1:]
	}
	if n.kind == null {
		n.kind = mapping
	}
	if n.kind == mapping {
		n.put(steps[0], value)
	}
}

// kubernetes matches what Kubernetes tells every container of a service that is called
// cloakroom or cloakroom-something. No key of ours ends so.
var kubernetes = regexp.MustCompile(`_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT|PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$`)

func ofKubernetes(name string) bool { return kubernetes.MatchString(name) }
