package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/cloakroom-bff/cloakroom/internal/app"
	"github.com/cloakroom-bff/cloakroom/internal/config"
	"github.com/cloakroom-bff/cloakroom/internal/telemetry"
)

func (s *surroundings) runCommand() *cobra.Command {
	return s.takesConfig(&cobra.Command{
		Use:   "run",
		Short: "Serve",
		Long: "Serve, as the configuration says, until SIGTERM or SIGINT. Then /readyz says no, requests\n" +
			"under way are finished, refreshes are awaited, and the store is closed.\n\n" +
			"SIGHUP reads the configuration again and applies session.keys; the log says which other\n" +
			"changes need a restart. A file with a mistake is refused as a whole.",
		Example: "  cloakroom run --config /etc/cloakroom/config.yaml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, warnings, err := config.Load(s.config, s.env)
			if err != nil {
				return &usageError{err}
			}
			defer raiseHeapFloor(s.env)()
			lines := telemetry.NewLines(s.stderr)
			defer func() { _ = lines.Close() }() // a log that cannot be written has nobody to tell
			log := app.Logger(lines, cfg.Log)
			for _, w := range warnings {
				log.Warn("configuration: works, but weakens", "where", w.String())
			}
			// From the start: the default of SIGHUP would kill the process.
			hangups := make(chan os.Signal, 1)
			signal.Notify(hangups, syscall.SIGHUP)
			defer signal.Stop(hangups)
			a, err := app.New(cmd.Context(), cfg, log, release())
			if err != nil {
				return err
			}
			return s.serve(cmd.Context(), a, hangups)
		},
	})
}

// serve runs the gateway, and reloads its configuration at every hangup meanwhile.
func (s *surroundings) serve(ctx context.Context, a *app.App, hangups <-chan os.Signal) error {
	over := make(chan struct{})
	var reloads sync.WaitGroup
	reloads.Go(func() {
		for {
			select {
			case <-hangups:
				_ = a.Reload(s.config, s.env) // what went wrong is in the log, and all goes on
			case <-over:
				return
			}
		}
	})
	defer reloads.Wait()
	defer close(over)
	return a.Run(ctx)
}

// load reads the configuration; what is wrong with it is the caller's to mend.
func (s *surroundings) load() (*config.Config, error) {
	cfg, _, err := config.Load(s.config, s.env)
	if _, ok := errors.AsType[config.Problems](err); ok {
		return nil, &usageError{err}
	}
	return cfg, err
}
