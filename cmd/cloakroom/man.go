package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func (s *surroundings) manCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "man DIRECTORY",
		Short: "Write man pages",
		Long:  "Write a man page for each command into a directory, which is made if it is not there.",
		Example: "  cloakroom man ./man && man ./man/cloakroom-run.1\n" +
			"  cloakroom man /usr/local/share/man/man1",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil { //nolint:gosec // Everybody may read a manual.
				return fmt.Errorf("man: %w", err)
			}
			root := cmd.Root()
			root.InitDefaultCompletionCmd()
			return writeManPages(args[0], root)
		},
	}
}

// writeManPages writes the page of a command and of those below it.
func writeManPages(dir string, cmd *cobra.Command) error {
	file := filepath.Join(dir, manName(cmd)+".1")
	if err := os.WriteFile(file, []byte(manPage(cmd)), 0o644); err != nil { //nolint:gosec // Everybody may read a manual.
		return fmt.Errorf("man: %w", err)
	}
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			if err := writeManPages(dir, c); err != nil {
				return err
			}
		}
	}
	return nil
}

// manName is what a command's page is called.
func manName(cmd *cobra.Command) string { return strings.ReplaceAll(cmd.CommandPath(), " ", "-") }

// manPage is a page in the language of man(7).
func manPage(cmd *cobra.Command) string {
	var out strings.Builder
	fmt.Fprintf(&out, ".TH %s 1 \"\" \"cloakroom %s\"\n.nh\n.SH NAME\n%s \\- %s\n", roff(strings.ToUpper(manName(cmd))), roff(release()), roff(manName(cmd)), roff(cmd.Short))
	fmt.Fprintf(&out, ".SH SYNOPSIS\n.B %s\n", roff(cmd.UseLine()))
	if cmd.Long != "" {
		fmt.Fprintf(&out, ".SH DESCRIPTION\n%s\n", paragraphs(cmd.Long))
	}
	if cmd.HasAvailableLocalFlags() {
		out.WriteString(".SH OPTIONS\n")
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if f.Hidden {
				return
			}
			kind, usage := pflag.UnquoteUsage(f)
			fmt.Fprintf(&out, ".TP\n.B %s\n%s\n", roff(strings.TrimSpace("--"+f.Name+" "+kind)), roff(usage))
		})
	}
	if cmd.Example != "" {
		fmt.Fprintf(&out, ".SH EXAMPLES\n.nf\n%s\n.fi\n", roff(cmd.Example))
	}
	out.WriteString(".SH EXIT STATUS\n0 fine, 1 failed while running, 2 wrong usage or configuration.\n")
	if also := manNeighbours(cmd); len(also) > 0 {
		fmt.Fprintf(&out, ".SH SEE ALSO\n%s\n", strings.Join(also, ", "))
	}
	return out.String()
}

// manNeighbours are the pages above and below a command's.
func manNeighbours(cmd *cobra.Command) (also []string) {
	if cmd.HasParent() {
		also = append(also, roff(manName(cmd.Parent()))+"(1)")
	}
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			also = append(also, roff(manName(c))+"(1)")
		}
	}
	return also
}

// paragraphs is a text whose lines flow, but for those that are indented.
func paragraphs(text string) string {
	var out []string
	for part := range strings.SplitSeq(strings.TrimSpace(text), "\n\n") {
		part = roff(part)
		if strings.HasPrefix(part, "  ") || strings.HasPrefix(part, "\t") || strings.Contains(part, "\n\t") {
			part = ".nf\n" + part + "\n.fi"
		}
		out = append(out, part)
	}
	return strings.Join(out, "\n.PP\n")
}

// roff takes the meaning from what troff would read as a request or an escape.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(text)
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
			lines[i] = `\&` + line
		}
	}
	return strings.Join(lines, "\n")
}
