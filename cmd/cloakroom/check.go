package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/cloakroom-bff/cloakroom/internal/config"
)

func (s *surroundings) checkCommand() *cobra.Command {
	var asJSON bool
	cmd := s.takesConfig(&cobra.Command{
		Use:   "check",
		Short: "Validate the configuration and print every problem at once",
		Long: "Validate the configuration and print every problem at once, each as\n" +
			"file:line:column: what is wrong, what to write instead. Exit code 2 if there is one.\n" +
			"What works but weakens is printed as a warning.",
		Example: "  cloakroom check --config config.yaml",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, warnings, err := config.Load(s.config, s.env)
			if asJSON {
				return s.printFindings(warnings, err)
			}
			mark := s.coloursOf(s.stderr).paint(yellow, "(warning)")
			for _, w := range warnings {
				if _, err := fmt.Fprintf(s.stderr, "%s %s\n", w, mark); err != nil {
					return err
				}
			}
			if err != nil {
				return &usageError{err}
			}
			_, err = fmt.Fprintf(s.stdout, "%s: no problem found\n", s.config)
			return err
		},
	})
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON object")
	return cmd
}

// finding is a problem as JSON: with a position, or with the name of a variable.
type finding struct {
	File     string `json:"file,omitempty"`
	Line     int    `json:"line,omitempty"`
	Column   int    `json:"column,omitempty"`
	Variable string `json:"variable,omitempty"`
	Text     string `json:"text"`
}

func findings(problems config.Problems) []finding {
	out := make([]finding, len(problems))
	for i, p := range problems {
		out[i] = finding{p.File, p.Line, p.Column, p.Variable, p.Text}
		if p.Variable != "" {
			out[i] = finding{Variable: p.Variable, Text: p.Text}
		}
	}
	return out
}

// printFindings writes what check found; the exit code is that of the text.
func (s *surroundings) printFindings(warnings config.Problems, err error) error {
	problems, ok := errors.AsType[config.Problems](err)
	if err != nil && !ok {
		return err
	}
	err = printJSON(s.stdout, struct {
		Problems []finding `json:"problems"`
		Warnings []finding `json:"warnings"`
	}{findings(problems), findings(warnings)})
	if err == nil && len(problems) > 0 {
		err = &usageError{fmt.Errorf("check: problems of the configuration: %d", len(problems))}
	}
	return err
}

func (s *surroundings) configCommand() *cobra.Command {
	group := &cobra.Command{
		Use:     "config",
		Short:   "Show the configuration's schema, or what is in effect",
		Example: "  cloakroom config schema > config.schema.json\n  cloakroom config print --config config.yaml",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	group.AddCommand(s.configPrintCommand(), &cobra.Command{
		Use:     "schema",
		Short:   "Print the JSON Schema of config.yaml",
		Example: "  cloakroom config schema > config.schema.json",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := s.stdout.Write(config.Schema())
			return err
		},
	})
	return group
}

func (s *surroundings) configPrintCommand() *cobra.Command {
	var asJSON bool
	cmd := s.takesConfig(&cobra.Command{
		Use:     "print",
		Short:   "Print the effective configuration, with secrets masked",
		Example: "  cloakroom config print --config config.yaml",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			cfg, err := s.load()
			if err != nil {
				return err
			}
			text := cfg.YAML()
			if asJSON {
				if text, err = cfg.JSON(); err != nil {
					return err
				}
			}
			_, err = s.stdout.Write(text)
			return err
		},
	})
	cmd.Flags().BoolVar(&asJSON, "json", false, "print it as JSON")
	return cmd
}
