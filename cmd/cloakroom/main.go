// Command cloakroom is a backend-for-frontend gateway: it does the OpenID Connect login
// for browsers, keeps the tokens, gives a single-page app nothing but an encrypted session
// cookie, and puts a fresh access token on every request that it forwards.
//
//	cloakroom demo                       try it: one process, no configuration
//	cloakroom check --config config.yaml
//	cloakroom run --config config.yaml
//
// Exit codes: 0 fine, 1 failed while running, 2 wrong usage or configuration.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log" //nolint:depguard // to silence it
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	// Package net/http writes there what a server said though nobody had asked: it can be
	// anything, a token too, and it would stand between the lines of our log.
	log.SetOutput(io.Discard)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr))
}

// Exit codes.
const (
	exitFine   = 0
	exitFailed = 1
	exitUsage  = 2
)

// usageError is an error that the caller of the command can mend: arguments or
// configuration.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// surroundings are what a command sees of the process.
type surroundings struct {
	env            []string
	stdin          io.Reader
	stdout, stderr io.Writer
	config         string // --config
}

// run is main without the process: tests call it.
func run(ctx context.Context, args, env []string, stdin io.Reader, stdout, stderr io.Writer) int {
	s := &surroundings{env: env, stdin: stdin, stdout: stdout, stderr: stderr}
	root := s.root()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	started := false
	root.PersistentPreRun = func(*cobra.Command, []string) { started = true }
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitFine
	}
	_, _ = fmt.Fprintln(stderr, err)
	var usage *usageError
	if !started || errors.As(err, &usage) {
		return exitUsage
	}
	return exitFailed
}

func (s *surroundings) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "cloakroom",
		Short:         "A backend-for-frontend gateway: hand your tokens in at the door; the browser only carries the ticket",
		Example:       "  cloakroom demo\n  cloakroom run --config config.yaml",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return cmd.Help()
		},
	}
	root.AddCommand(
		s.runCommand(), s.demoCommand(), s.checkCommand(), s.doctorCommand(), s.migrateCommand(), s.keysCommand(), s.configCommand(),
		s.sessionsCommand(), s.backupCommand(), s.restoreCommand(), s.compactCommand(), s.healthcheckCommand(), s.manCommand(), s.versionCommand(),
	)
	return root
}

// takesConfig gives a command the --config flag.
func (s *surroundings) takesConfig(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().StringVar(&s.config, "config", "config.yaml", "the configuration `file`")
	return cmd
}
