package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/cloakroom-bff/cloakroom/internal/config"
)

func (s *surroundings) keysCommand() *cobra.Command {
	keys := &cobra.Command{
		Use:     "keys",
		Short:   "Make keys",
		Example: "  cloakroom keys new > /run/secrets/cloakroom-key\n  cloakroom keys client > registration.json",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	var asJSON bool
	fresh := &cobra.Command{
		Use:   "new",
		Short: "Print a fresh key for session.keys",
		Long: "Print a fresh key for session.keys: 32 random bytes in base64.\n\n" +
			"To rotate, put the new key first in session.keys, keep the old one behind it until\n" +
			"session.absolute_timeout has passed, and send SIGHUP after each change. Where several\n" +
			"gateways share a Redis, let each have the new key last before one has it first.",
		Example: "  cloakroom keys new > /run/secrets/cloakroom-key",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if asJSON {
				return printJSON(s.stdout, map[string]string{"key": config.NewKey()})
			}
			_, err := fmt.Fprintln(s.stdout, config.NewKey())
			return err
		},
	}
	fresh.Flags().BoolVar(&asJSON, "json", false, "print a JSON object")
	keys.AddCommand(fresh, s.clientKeysCommand())
	return keys
}
