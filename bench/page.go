package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
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
	written := flags.Bool("written", false, "measure nothing: write the page from "+figuresFile)
	if err := flags.Parse(args); err != nil {
		return err
	}
	if !*written {
		m := newRun(nil, pace{*rounds, *round}, stdout)
		m.cells = matrix()
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
		for _, why := range run.Missing {
			text += "\nLeft out: " + why + "."
		}
		return text, nil
	}
	what, cell, _ := strings.Cut(name, " ")
	table, found := run.Find(cell)
	if what != "table" || !found {
		return "", fmt.Errorf("the page has a part %q, for which there are no figures: measure them, or take the part out", name)
	}
	return table.Markdown(), nil
}
