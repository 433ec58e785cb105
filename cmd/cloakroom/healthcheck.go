package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/spf13/cobra"
)

func (s *surroundings) healthcheckCommand() *cobra.Command {
	var asJSON bool
	cmd := s.takesConfig(&cobra.Command{
		Use:   "healthcheck",
		Short: "Ask the running gateway's admin listener whether it lives",
		Long: "Ask the running gateway's admin listener, which the configuration names, whether the\n" +
			"process lives: for container images without curl. Exit code 0 if it does, 1 if not.",
		Example: "  cloakroom healthcheck --config /etc/cloakroom/config.yaml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := s.load()
			if err != nil {
				return err
			}
			if err := healthcheck(cmd.Context(), cfg.Admin.Listen); err != nil {
				return err
			}
			if asJSON {
				return printJSON(s.stdout, map[string]bool{"healthy": true})
			}
			_, err = fmt.Fprintln(s.stdout, "healthy")
			return err
		},
	})
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON object")
	return cmd
}

// healthcheck is nil if the process lives.
func healthcheck(ctx context.Context, listen string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+reachable(listen)+"/healthz", nil)
	if err != nil {
		return fmt.Errorf("healthcheck: %w", err)
	}
	// No proxy from the environment: the listener is on this machine.
	res, err := (&http.Client{Transport: &http.Transport{}}).Do(req)
	if err != nil {
		return fmt.Errorf("healthcheck: %w", err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 4<<10))
	if err != nil {
		return fmt.Errorf("healthcheck: %w", err)
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("healthcheck: status %d: %s", res.StatusCode, body)
	}
	return nil
}
