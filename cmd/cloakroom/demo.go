package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/cloakroom-bff/cloakroom/internal/app"
)

func (s *surroundings) demoCommand() *cobra.Command {
	var listen string
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Try it: a provider, an API, a page and the gateway in one process",
		Long: "Try it: a development provider, a demo API, a page and the gateway in front of them, in one\n" +
			"process on loopback. It needs no configuration and no network, and keeps nothing.",
		Example: "  cloakroom demo\n  cloakroom demo --listen localhost:9000",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			err := app.Demo(cmd.Context(), listen, s.stdout, s.stderr, release())
			if _, ok := errors.AsType[*app.AddressError](err); ok {
				return &usageError{err}
			}
			return err
		},
	}
	cmd.Flags().StringVar(&listen, "listen", "localhost:8080", "where the gateway listens: a loopback `address`")
	return cmd
}
