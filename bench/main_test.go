package main

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/cloakroom-bff/cloakroom/bench/report"
	"github.com/cloakroom-bff/cloakroom/bench/stage"
)

// TestMain makes this binary the parts that a stage starts, as the program is.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "part" {
		if err := run(context.Background(), os.Args[1:], os.Stdout); err != nil {
			panic(err)
		}
		return
	}
	os.Exit(m.Run())
}

func TestEveryCellHasANameOfItsOwn(t *testing.T) {
	t.Parallel()
	for set, cells := range map[string][]cell{"core": core(), "matrix": matrix()} {
		seen := make(map[string]bool)
		for _, c := range cells {
			if seen[c.name] {
				t.Errorf("%s has %s twice", set, c.name)
			}
			seen[c.name] = true
			if c.roles[0] != tuned && c.roles[0] != tunedTLS {
				t.Errorf("%s in %s is not held against the tuned proxy", c.name, set)
			}
		}
	}
}

func TestAWrongCommandLineSaysWhatToWrite(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		args []string
		want string
	}{
		{[]string{"-case", "tea"}, "-case is one of json,"},
		{[]string{"-rounds", "0"}, "-rounds and -round are 1 and 1s at least"},
		{[]string{"-gateway", "cloakroom"}, "write name=path"},
		{[]string{"coer"}, "there are no other arguments"},
		{[]string{"profile", "-each", "0s"}, "-each is 1s at least"},
		{[]string{"fill"}, "name what to fill"},
		{[]string{"part"}, "which part"},
		{[]string{"part", "127.0.0.1:0", "tea"}, "no part of this program"},
	} {
		if err := run(t.Context(), row.args, &strings.Builder{}); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%v: %v, want %q", row.args, err, row.want)
		}
	}
}

// Whoever measures anew writes the page anew, and nobody changes a figure by hand.
func TestThePageIsThatOfItsFigures(t *testing.T) {
	t.Parallel()
	run, err := report.Load("../" + figuresFile)
	if err != nil {
		t.Fatal(err)
	}
	files, err := draw(run, "..")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 2 {
		t.Fatalf("the page has %d files", len(files))
	}
	for name, want := range files {
		if got, err := os.ReadFile("../" + name); err != nil || string(got) != want {
			t.Errorf("%s is not what %s gives (%v): go run ./bench page -written", name, figuresFile, err)
		}
	}
}

func TestARatioAboveTheBoundFails(t *testing.T) {
	t.Parallel()
	m := newRun(nil, pace{}, &strings.Builder{})
	m.results.Tables = []report.Table{{Rows: []report.Row{
		{Side: stage.Tuned, Ratio: report.Figure{Median: 1}},
		{Side: "cloakroom", Ratio: report.Figure{Median: 1.2}},
	}}}
	for most, fails := range map[float64]bool{0: false, 1.5: false, 1.1: true} {
		if err := m.judge(most); (err != nil) != fails {
			t.Errorf("under a bound of %v the run ends with %v", most, err)
		}
	}
	m.results.Tables[0].Rows = m.results.Tables[0].Rows[:1]
	if err := m.judge(1.5); err == nil {
		t.Error("a run without the gateway is within the bound")
	}
}

func TestAPartOfThePageThatNobodyMeasuresIsAnError(t *testing.T) {
	t.Parallel()
	if text, err := part(&report.Run{}, "table json-32"); err != nil || !strings.Contains(text, "not measured") {
		t.Errorf("a cell that was not measured: %q, %v", text, err)
	}
	for _, name := range []string{"table json-7", "tables json-32", "weather"} {
		if text, err := part(&report.Run{}, name); err == nil {
			t.Errorf("%s became %q", name, text)
		}
	}
}
