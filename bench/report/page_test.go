package report_test

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/cloakroom-bff/cloakroom/bench/report"
)

func TestOnlyMarkedPartsOfAPageAreWritten(t *testing.T) {
	t.Parallel()
	const page = "# Page\n\n<!-- bench: table a -->\nold\n<!-- bench: end -->\n\nwords\n\n<!-- bench: machine -->\n<!-- bench: end -->\nlast\n"
	const want = "# Page\n\n<!-- bench: table a -->\n\nnew: table a\n\n<!-- bench: end -->\n\nwords\n\n<!-- bench: machine -->\n\nnew: machine\n\n<!-- bench: end -->\nlast\n"
	fresh := func(name string) (string, error) { return "new: " + name, nil }
	for _, from := range []string{page, want} { // once more changes nothing
		if got, err := report.Fill(from, fresh); err != nil || got != want {
			t.Errorf("the page became %q, %v, want %q", got, err, want)
		}
	}
}

func TestAPartWithoutAnEndOrFiguresIsAnError(t *testing.T) {
	t.Parallel()
	if _, err := report.Fill("<!-- bench: machine -->\nold", func(string) (string, error) { return "", nil }); err == nil || !strings.Contains(err.Error(), "machine") {
		t.Errorf("a part without an end: %v", err)
	}
	none := errors.New("no figures")
	if _, err := report.Fill("<!-- bench: machine -->\n<!-- bench: end -->", func(string) (string, error) { return "", none }); !errors.Is(err, none) {
		t.Errorf("a part without figures: %v", err)
	}
}

func TestATableIsReadOnAPage(t *testing.T) {
	t.Parallel()
	const want = `1 KiB of JSON, 32 connections, 1,000 sessions, 5 rounds of 2s:

| | CPU µs | least to most | ratio | and Redis µs | requests/s | p50 ms | p99 ms | p99.9 ms | PSS MiB |
| :-- | --: | --: | --: | --: | --: | --: | --: | --: | --: |
| bare | 50.0 | 48.0 to 55.0 | 1.00 | | 20,000 | 1.00 | 3.00 | 5.00 | 12.0 |
| oauth2-proxy | 300.0 | 290.0 to 310.0 | 6.00 | 30.5 | 4,000 | 8.00 | 20.00 | 40.00 | 25.0 |
`
	table := sample()
	if got := table.Markdown(); got != want {
		t.Errorf("the table is\n%s\nwant\n%s", got, want)
	}
}

func TestAPlotIsSoundAndNamesEverything(t *testing.T) {
	t.Parallel()
	chart := report.Chart{Title: "CPU & time", Text: "what <it> is", X: "µs", Y: "connections"}
	for name, svg := range map[string]string{
		"bars": report.Bars(chart, []report.Bar{{Name: "ours & theirs", Value: 50, Own: true}, {Name: "theirs", Value: 1234.5}}),
		"lines": report.Lines(chart, []report.Series{
			{Name: "ours & theirs", Points: []report.Point{{X: 1, Y: 100}, {X: 512, Y: 50}}},
			{Name: "theirs", Points: []report.Point{{X: 1, Y: 1000}, {X: 512, Y: 51}}},
		}),
	} {
		var texts []string
		decoder := xml.NewDecoder(strings.NewReader(svg))
		for {
			token, err := decoder.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v\n%s", name, err, svg)
			}
			if text, ok := token.(xml.CharData); ok {
				texts = append(texts, string(text))
			}
		}
		all := strings.Join(texts, "|")
		for _, want := range []string{"CPU & time", "what <it> is", "ours & theirs", "theirs", "µs"} {
			if !strings.Contains(all, want) {
				t.Errorf("%s: %q is missing", name, want)
			}
		}
		if strings.Contains(svg, "NaN") || strings.Contains(svg, "Inf") {
			t.Errorf("%s: a place is no number:\n%s", name, svg)
		}
	}
}
