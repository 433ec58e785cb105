//go:build e2e

package e2e

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"

	"github.com/cloakroom-bff/cloakroom/internal/devidp"
)

// A scoreboard has one line a scenario: what the provider counted, and the verdict. A run
// writes it to the file that E2E_TABLE names, or to its output.
type scoreboard struct {
	mu   sync.Mutex
	rows []score // guarded by mu
}

type score struct {
	scenario, store string
	provider        devidp.Stats
	remark          string
	failed          bool
}

var scores scoreboard

// keepScore notes a scenario when its test is over.
func (f *fleet) keepScore(scenario string) {
	f.t.Cleanup(func() {
		if f.provider == nil {
			return // it never began
		}
		scores.mu.Lock()
		defer scores.mu.Unlock()
		scores.rows = append(scores.rows, score{scenario, f.store, f.provider.Stats(), f.remark, f.t.Failed()})
	})
}

// publish writes the table, if there is one.
func (b *scoreboard) publish(to string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.rows) == 0 {
		return nil
	}
	slices.SortStableFunc(b.rows, func(x, y score) int {
		return strings.Compare(x.scenario+x.store, y.scenario+y.store)
	})
	if to == "" {
		return b.print(os.Stdout)
	}
	file, err := os.Create(to)
	if err != nil {
		return err
	}
	if err := b.print(file); err != nil {
		_ = file.Close() // what was printed is not whole anyway
		return err
	}
	return file.Close()
}

func (b *scoreboard) print(out io.Writer) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	if _, err := fmt.Fprintln(table, "scenario\tstore\trefreshes\treuses\tmost presented\trevocations\tverdict\t"); err != nil {
		return err
	}
	for _, r := range b.rows {
		verdict := "holds"
		if r.failed {
			verdict = "FAILS"
		}
		if r.remark != "" {
			verdict += ": " + r.remark
		}
		p := r.provider
		if _, err := fmt.Fprintf(table, "%s\t%s\t%d\t%d\t%d\t%d\t%s\t\n", r.scenario, r.store, p.Refreshes, p.Reuses, p.MaxPresentations, p.Revocations, verdict); err != nil {
			return err
		}
	}
	return table.Flush()
}
