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
			"SIGHUP, or a change of its files, reads the configuration again and applies it without\n" +
			"holding up a request; the log says which keys need a restart. A file with a mistake is\n" +
			"refused as a whole, and the old one goes on.",
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
			log, level := app.Logger(lines, cfg.Log)
			for _, w := range warnings {
				log.Warn("configuration: works, but weakens", "where", w.String())
			}
			// From the start: the default of SIGHUP would kill the process.
			hangups := make(chan os.Signal, 1)
			signal.Notify(hangups, syscall.SIGHUP)
			defer signal.Stop(hangups)
			a, err := app.New(cmd.Context(), cfg, app.Surroundings{Log: log, Level: level, Version: release()})
			if err != nil {
				return err
			}
			return s.serve(cmd.Context(), a, hangups)
		},
	})
}

// serve runs the gateway, and reloads its configuration meanwhile.
func (s *surroundings) serve(ctx context.Context, a *app.App, hangups <-chan os.Signal) error {
	following, stop := context.WithCancel(ctx)
	var follower sync.WaitGroup
	follower.Go(func() { a.Follow(following, s.config, s.env, hangups) })
	defer follower.Wait()
	defer stop()
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
