package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func (s *surroundings) compactCommand() *cobra.Command {
	var asJSON bool
	cmd := s.takesConfig(&cobra.Command{
		Use:   "compact",
		Short: "Give back the room that the session store does not use",
		Long: "Write the file of session.store anew, without the pages that nothing uses and without what has\n" +
			"expired. The file never shrinks by itself, but uses freed pages again: this is for one that was\n" +
			"much larger once. The gateway has to be stopped, and there must be room for a second file beside\n" +
			"it; until the new one is whole, the old one keeps its name.",
		Example: "  systemctl stop cloakroom && cloakroom compact --config /etc/cloakroom/config.yaml; systemctl start cloakroom",
		Args:    cobra.NoArgs,
	})
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON object")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		file, _, err := s.storeFile()
		if err != nil {
			return err
		}
		line := s.progressOf("compact", inRecords)
		file.Progress = line.tell
		before, after, err := file.Compact(cmd.Context())
		line.end()
		if err != nil {
			return fmt.Errorf("compact: %w", err)
		}
		if asJSON {
			return printJSON(s.stdout, struct {
				File        string `json:"file"`
				Records     int    `json:"records"`
				Expired     int    `json:"expired"`
				BytesBefore int64  `json:"bytes_before"`
				Bytes       int64  `json:"bytes"`
			}{file.Path(), after.Records, before.Records - after.Records, before.Bytes, after.Bytes})
		}
		_, err = fmt.Fprintf(s.stdout, "%s: %s, %s instead of %s\n", file.Path(), inRecords(int64(after.Records)), inBytes(after.Bytes), inBytes(before.Bytes))
		return err
	}
	return cmd
}
