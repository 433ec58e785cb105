package conformance

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
)

var update = flag.Bool("update", false, "write the tables of docs/conformance.md anew")

// A plan is one of the suite's: modules that one relying party meets one after the other.
type plan struct {
	name    string // a heading of docs/conformance.md
	prefix  string // of the modules' names
	open    func(t *testing.T) *stage
	modules []module
}

// A module is one test of the suite.
type module struct {
	name    string // without the prefix
	outcome outcome
	does    string // what the provider does, or what the gateway has to do
	run     func(v *visit)
}

type outcome string

// What comes of a module. A login that is refused leaves no ticket that is good for anything, and
// nothing is called after it.
const (
	works      outcome = "works"
	refused    outcome = "refused"
	notOffered outcome = "not offered"
)

func plans() []plan {
	return []plan{basic(), configuration(), refresh(), further(), rpInitiated(), backChannel(), frontChannel(), sessionManagement(), fapi(), fapiByCertificate()}
}

func TestThePlansForRelyingParties(t *testing.T) {
	t.Parallel()
	var seen verdicts
	t.Cleanup(func() { seen.publish(t) })
	for _, p := range plans() {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			var s *stage
			for _, m := range p.modules {
				if m.outcome == notOffered {
					seen.add(p, m, "not offered")
					continue
				}
				if s == nil {
					s = p.open(t)
				}
				t.Run(p.prefix+m.name, func(t *testing.T) {
					t.Cleanup(func() { seen.add(p, m, map[bool]string{false: "passed", true: "FAILED"}[t.Failed()]) })
					m.run(s.receive(t))
				})
			}
		})
	}
}

// verdicts is what came of the modules. It is safe for concurrent use.
type verdicts struct {
	mu sync.Mutex
	by map[string]string // guarded by mu
}

func (s *verdicts) add(p plan, m module, verdict string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.by == nil {
		s.by = make(map[string]string)
	}
	s.by[p.name+m.name] = verdict
}

// publish writes the table to the file that CONFORMANCE_TABLE names, or to the log.
func (s *verdicts) publish(t *testing.T) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var rows strings.Builder
	for _, p := range plans() {
		for _, m := range p.modules {
			if verdict := s.by[p.name+m.name]; verdict != "" {
				fmt.Fprintf(&rows, "%s\t%s\t%s\n", p.name, p.prefix+m.name, verdict)
			}
		}
	}
	var text bytes.Buffer
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	_, err := io.WriteString(table, rows.String())
	if err == nil {
		err = table.Flush()
	}
	if file := os.Getenv("CONFORMANCE_TABLE"); err == nil && file != "" {
		err = os.WriteFile(file, text.Bytes(), 0o600)
	} else {
		t.Log("\n" + text.String())
	}
	if err != nil {
		t.Error(err)
	}
}

// table is what docs/conformance.md says of a plan.
func (p plan) table() string {
	var b strings.Builder
	b.WriteString("| module | what it does | what comes of it |\n| --- | --- | --- |\n")
	for _, m := range p.modules {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", p.prefix+m.name, m.does, m.outcome)
	}
	return b.String()
}

// Neither has the page a module that is not replayed, nor the tests one that is not told of.
func TestThePageOfModulesIsTrue(t *testing.T) {
	t.Parallel()
	const file = "../../docs/conformance.md"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	page, headings := string(text), 0
	for _, p := range plans() {
		before, section, found := strings.Cut(page, "\n## "+p.name+"\n")
		if !found {
			t.Errorf("the page has no heading %q", p.name)
			continue
		}
		headings++
		section, after, more := strings.Cut(section, "\n## ")
		intro, written, _ := strings.Cut(section, "| module |")
		written = "| module |" + strings.TrimRight(written, "\n") + "\n"
		if written == p.table() {
			continue
		}
		if !*update {
			t.Errorf("%s: the page has\n%s\nthe tests have\n%s\nRun: go test ./internal/conformance -run Page -update", p.name, written, p.table())
			continue
		}
		page = before + "\n## " + p.name + strings.TrimRight("\n"+intro, "\n") + "\n\n" + p.table()
		if more {
			page += "\n## " + after
		}
	}
	if n := strings.Count(page, "\n| module |"); n != headings {
		t.Errorf("the page has %d tables, and the tests have %d plans", n, headings)
	}
	if *update {
		if err := os.WriteFile(file, []byte(page), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
