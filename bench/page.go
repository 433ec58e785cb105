package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/cloakroom-bff/cloakroom/bench/report"
)

// Files of the page, from the module's root.
const (
	pageFile    = "docs/performance.md"
	plotFiles   = "docs/img/performance-%s.svg"
	figuresFile = "bench/results/calls.json"
)

// pageCommand measures the whole matrix and writes the page, its plots and the figures that
// they were made of.
func pageCommand(ctx context.Context, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("bench page", flag.ContinueOnError)
	rounds := flags.Int("rounds", 5, "how often each is measured")
	round := flags.Duration("round", 2*time.Second, "how long each is loaded in a round, in whole seconds")
	only := flags.String("only", "", "of the cells, those whose name matches this `regexp`; the page says that the others were not measured")
	written := flags.Bool("written", false, "measure nothing: write the page from "+figuresFile)
	if err := flags.Parse(args); err != nil {
		return err
	}
	wanted, err := regexp.Compile(*only)
	if err != nil {
		return fmt.Errorf("-only: %w", err)
	}
	if !*written {
		m := newRun(nil, pace{*rounds, round.Truncate(time.Second)}, stdout)
		m.cells = slices.DeleteFunc(matrix(), func(c cell) bool { return !wanted.MatchString(c.name) })
		if err := m.carryOut(ctx); err != nil {
			return err
		}
		if err := m.results.Save(figuresFile); err != nil {
			return err
		}
	}
	return writePage(".")
}

// writePage writes the page and the plots below root from the figures that are there.
func writePage(root string) error {
	run, err := report.Load(filepath.Join(root, figuresFile))
	if err != nil {
		return err
	}
	files, err := draw(run, root)
	if err != nil {
		return err
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o644); err != nil { //nolint:gosec // Everybody may read it.
			return err
		}
	}
	return nil
}

// draw makes the page's files, by name.
func draw(run *report.Run, root string) (map[string]string, error) {
	page, err := os.ReadFile(filepath.Join(root, pageFile))
	if err != nil {
		return nil, err
	}
	text, err := report.Fill(string(page), func(name string) (string, error) { return part(run, name) })
	if err != nil {
		return nil, err
	}
	files := map[string]string{pageFile: text}
	for name, svg := range plots(run) {
		files[fmt.Sprintf(plotFiles, name)] = svg
	}
	return files, nil
}

// part is what stands under a mark of the page.
func part(run *report.Run, name string) (string, error) {
	if name == "machine" {
		text := fmt.Sprintf("Measured on %s, %s.", run.When.Format("2 January 2006"), run.Machine)
		if run.Busy != "" {
			text += " The load average before was " + run.Busy + "."
		}
		if len(run.Missing) > 0 {
			text += " Left out: " + strings.Join(run.Missing, "; ") + "."
		}
		return text, nil
	}
	what, wanted, _ := strings.Cut(name, " ")
	known := slices.ContainsFunc(matrix(), func(c cell) bool { return c.name == wanted })
	if what != "table" || !known {
		return "", fmt.Errorf("the page has a part %q, which nobody measures: take it out", name)
	}
	table, found := run.Find(wanted)
	if !found {
		return "*This cell was not measured in this run.*", nil
	}
	return table.Markdown(), nil
}
