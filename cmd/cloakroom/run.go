package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/cloakroom-bff/cloakroom/internal/app"
	"github.com/cloakroom-bff/cloakroom/internal/config"
	"github.com/cloakroom-bff/cloakroom/internal/handover"
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
			"refused as a whole, and the old one goes on.\n\n" +
			"SIGUSR2 restarts without a pause: the binary and the configuration that are there by now\n" +
			"start as another process, which gets the listeners and the store. When it serves, this one\n" +
			"stays for its open connections, for drain.restart at most; if it fails, this one goes on.",
		Example: "  cloakroom run --config /etc/cloakroom/config.yaml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return profiled(s.env, func() error { return s.run(cmd.Context()) })
		},
	})
}

// run is the command.
func (s *surroundings) run(ctx context.Context) error {
	// From the start: the default of these signals would kill the process.
	hangups, restarts := make(chan os.Signal, 1), make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	notifyRestarts(restarts)
	defer signal.Stop(restarts)
	inherited, err := handover.Inherit(s.env)
	if err != nil {
		return err
	}
	cfg, warnings, err := config.Load(s.config, s.env)
	if err != nil {
		return &usageError{err}
	}
	defer suitMemory(s.env, os.DirFS("/"))()
	lines := telemetry.NewLines(s.stderr)
	defer func() { _ = lines.Close() }() // a log that cannot be written has nobody to tell
	log, level := app.Logger(lines, cfg.Log)
	for _, w := range warnings {
		log.Warn("configuration: works, but weakens", "where", w.String())
	}
	again, err := s.again()
	if err != nil {
		return err
	}
	a, err := app.New(ctx, cfg, app.Surroundings{Log: log, Level: level, Version: release(), Environ: s.env, Inherited: inherited})
	if err != nil {
		return err
	}
	var beside sync.WaitGroup
	serving, over := context.WithCancel(ctx)
	beside.Go(func() { a.Follow(serving, s.config, s.env, hangups) })
	beside.Go(func() {
		for {
			select {
			case <-restarts:
				_ = a.HandOver(serving, again) // what went wrong is in the log, and all goes on
			case <-serving.Done():
				return
			}
		}
	})
	defer beside.Wait()
	defer over()
	return a.Run(ctx)
}

// again is the command that starts this program anew. The name is kept and not the file that
// it leads to now: a new version comes as another file, or as a link to one.
func (s *surroundings) again() (handover.Command, error) {
	path, err := exec.LookPath(os.Args[0])
	if err == nil {
		path, err = filepath.Abs(path)
	} else {
		path, err = os.Executable()
	}
	c := handover.Command{Path: path, Args: os.Args, Env: s.env}
	c.Stdout, _ = s.stdout.(*os.File)
	c.Stderr, _ = s.stderr.(*os.File)
	return c, err
}

// load reads the configuration; what is wrong with it is the caller's to mend.
func (s *surroundings) load() (*config.Config, error) {
	cfg, _, err := config.Load(s.config, s.env)
	if _, ok := errors.AsType[config.Problems](err); ok {
		return nil, &usageError{err}
	}
	return cfg, err
}
