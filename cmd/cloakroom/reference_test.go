package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

const commandsPage = "../../docs/reference/commands.md"

var update = flag.Bool("update", false, "write docs/reference/commands.md anew")

// The page is what --help says, so that neither has a command or a flag that the other lacks.
func TestTheReferenceIsWhatTheCommandsSay(t *testing.T) {
	t.Parallel()
	root := new(surroundings).root()
	root.InitDefaultCompletionCmd()
	var out strings.Builder
	out.WriteString(`# Commands

Generated from the code: what ` + "`--help`" + ` says of every command. Exit codes are 0 for fine, 1 for failed while running and 2 for wrong usage or
configuration.
`)
	manual(&out, root)
	want := out.String()
	if *update {
		if err := os.WriteFile(commandsPage, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(commandsPage)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("docs/reference/commands.md differs from the commands: go test ./cmd/cloakroom -run TestTheReference -update writes it anew")
	}
}

// manual writes a section for each command that does something, in the order of --help.
func manual(out *strings.Builder, cmd *cobra.Command) {
	if cmd.Name() == "completion" {
		// What the library says of each shell is as long as all the rest: --help tells it.
		fmt.Fprintf(out, "\n## %s\n\n```\n%s\n```\n", cmd.CommandPath(), strings.TrimSpace(cmd.Long))
		return
	}
	if !cmd.HasSubCommands() && cmd.Runnable() {
		section(out, cmd)
	}
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			manual(out, c)
		}
	}
}

func section(out *strings.Builder, cmd *cobra.Command) {
	text := cmd.Long
	if text == "" {
		text = cmd.Short + "."
	}
	fmt.Fprintf(out, "\n## %s\n\n```\n%s\n\n%s\n```\n", cmd.CommandPath(), cmd.UseLine(), strings.TrimSpace(text))
	if cmd.Example != "" {
		fmt.Fprintf(out, "\n```\n%s\n```\n", strings.ReplaceAll(strings.TrimPrefix(cmd.Example, "  "), "\n  ", "\n"))
	}
	if !cmd.HasAvailableLocalFlags() {
		return
	}
	out.WriteString("\n| flag | default | |\n| --- | --- | --- |\n")
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		kind, usage := pflag.UnquoteUsage(f)
		initial := ""
		if f.DefValue != "" && f.DefValue != "false" && f.DefValue != "0s" && f.DefValue != "[]" {
			initial = "`" + f.DefValue + "`"
		}
		fmt.Fprintf(out, "| `%s` | %s | %s |\n", strings.TrimSpace("--"+f.Name+" "+kind), initial, usage)
	})
}
