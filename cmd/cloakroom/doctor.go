package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/cloakroom-bff/cloakroom/internal/app"
	"github.com/cloakroom-bff/cloakroom/internal/config"
	"github.com/cloakroom-bff/cloakroom/internal/doctor"
)

func (s *surroundings) doctorCommand() *cobra.Command {
	var asJSON bool
	cmd := s.takesConfig(&cobra.Command{
		Use:   "doctor",
		Short: "Look at the live provider, store and upstreams, and say what to mend",
		Long: "Look at the live provider, store, upstreams and listeners, as the gateway would meet them, and\n" +
			"print a line for each check: pass, warn or fail, with what to do. It runs beside a running\n" +
			"gateway, or before the first start, and changes nothing: it signs nobody in, uses no token up,\n" +
			"and writes to no store. The provider's log shows a code and a refresh token that it refused.\n\n" +
			"Exit code 0 if nothing failed, 1 if something did, 2 if the configuration is wrong.",
		Example: "  cloakroom doctor --config /etc/cloakroom/config.yaml\n" +
			"  cloakroom doctor --json | jq '.lines[] | select(.verdict != \"pass\")'",
		Args: cobra.NoArgs,
	})
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the report as JSON")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		report, err := s.examine(cmd.Context())
		write := s.coloursOf(s.stdout).printReport
		if asJSON {
			write = printReportJSON
		}
		if err := write(s.stdout, report); err != nil {
			return err
		}
		if failed := report.Count(doctor.Fail); err == nil && failed > 0 {
			return fmt.Errorf("doctor: failed checks: %d", failed)
		}
		return err
	}
	return cmd
}

// examine reads the configuration and examines it. After an error the report says what is
// wrong with the configuration.
func (s *surroundings) examine(ctx context.Context) (doctor.Report, error) {
	cfg, warnings, err := config.Load(s.config, s.env)
	if problems, ok := errors.AsType[config.Problems](err); ok {
		return doctor.Unreadable(problems, warnings), &usageError{fmt.Errorf("doctor: problems of the configuration: %d", len(problems))}
	}
	if err != nil {
		return doctor.Report{}, err
	}
	return app.Examine(ctx, cfg, warnings), nil
}

// printReport writes a line for each check, and below it what to do.
func (c colours) printReport(out io.Writer, r doctor.Report) error {
	shade := map[doctor.Verdict]string{doctor.Pass: green, doctor.Warn: yellow, doctor.Fail: red}
	width := 0
	for _, l := range r.Lines {
		width = max(width, len(l.Check))
	}
	for _, l := range r.Lines {
		if _, err := fmt.Fprintf(out, "%s  %-*s  %s\n", c.paint(shade[l.Verdict], string(l.Verdict)), width, l.Check, l.Found); err != nil {
			return err
		}
		if l.Remedy == "" {
			continue
		}
		if _, err := fmt.Fprintf(out, "%*s→ %s\n", width+8, "", l.Remedy); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(out, "\n%d pass, %d warn, %d fail\n", r.Count(doctor.Pass), r.Count(doctor.Warn), r.Count(doctor.Fail))
	return err
}

func printReportJSON(out io.Writer, r doctor.Report) error {
	return printJSON(out, struct {
		Verdict doctor.Verdict `json:"verdict"`
		Pass    int            `json:"pass"`
		Warn    int            `json:"warn"`
		Fail    int            `json:"fail"`
		doctor.Report
	}{r.Verdict(), r.Count(doctor.Pass), r.Count(doctor.Warn), r.Count(doctor.Fail), r})
}
