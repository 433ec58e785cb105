package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/cloakroom-bff/cloakroom/internal/config"
)

func (s *surroundings) checkCommand() *cobra.Command {
	return s.takesConfig(&cobra.Command{
		Use:   "check",
		Short: "Validate the configuration and print every problem at once",
		Long: "Validate the configuration and print every problem at once, each as\n" +
			"file:line:column: what is wrong, what to write instead. Exit code 2 if there is one.\n" +
			"What works but weakens is printed as a warning.",
		Example: "  cloakroom check --config config.yaml",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, warnings, err := config.Load(s.config, s.env)
			for _, w := range warnings {
				if _, err := fmt.Fprintf(s.stderr, "%s (warning)\n", w); err != nil {
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
}

func (s *surroundings) configCommand() *cobra.Command {
	group := &cobra.Command{
		Use:     "config",
		Short:   "Show the configuration's schema, or what is in effect",
		Example: "  cloakroom config schema > config.schema.json\n  cloakroom config print --config config.yaml",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	group.AddCommand(&cobra.Command{
		Use:     "schema",
		Short:   "Print the JSON Schema of config.yaml",
		Example: "  cloakroom config schema > config.schema.json",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := s.stdout.Write(config.Schema())
			return err
		},
	}, s.takesConfig(&cobra.Command{
		Use:     "print",
		Short:   "Print the effective configuration, with secrets masked",
		Example: "  cloakroom config print --config config.yaml",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			cfg, err := s.load()
			if err != nil {
				return err
			}
			_, err = s.stdout.Write(cfg.YAML())
			return err
		},
	}))
	return group
}
