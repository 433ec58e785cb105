package main

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

func TestAManPageSaysWhatHelpSays(t *testing.T) {
	t.Parallel()
	cmd := &cobra.Command{
		Use: "turn FILE", Short: "Turn a file over", Long: "Turn it.\n\n  .as\n'it lies \\ here-and-there", Example: "  turn over.txt",
		RunE: func(*cobra.Command, []string) error { return nil },
	}
	cmd.Flags().String("side", "", "the `side` that comes up")
	page := manPage(cmd)
	for _, want := range []string{
		".TH TURN 1 ", ".SH NAME\nturn \\- Turn a file over\n", ".B turn FILE [flags]\n",
		".PP\n.nf\n  .as\n\\&'it lies \\e here\\-and\\-there\n.fi\n",
		".TP\n.B \\-\\-side side\nthe side that comes up\n", ".nf\n  turn over.txt\n.fi\n",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
}
