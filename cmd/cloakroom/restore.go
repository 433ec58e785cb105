package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/cloakroom-bff/cloakroom/internal/app"
)

func (s *surroundings) restoreCommand() *cobra.Command {
	var yes, leaveOut, asJSON bool
	cmd := s.takesConfig(&cobra.Command{
		Use:   "restore FILE",
		Short: "Put a backup in the place of the session store",
		Long: "Put a backup in the place of the file of session.store. The gateway has to be stopped. The backup\n" +
			"is checked first, and the store that was there stays beside it under another name.\n\n" +
			"What happened after the backup is not in it. Who has signed in since, signs in again. Every other\n" +
			"session shows its refresh token to the provider before anything is served under it: one that was\n" +
			"signed out since ends there, for its token was revoked; so does one whose token was replaced since,\n" +
			"at a provider that rotates; and one without a refresh token ends. Where the provider revokes\n" +
			"nothing, or revoke_on_logout is off, nobody can tell who has signed out: end all sessions after the\n" +
			"restore, with sessions revoke --all --yes, or restore nothing.",
		Example: "  cloakroom restore /backup/sessions.db --config /etc/cloakroom/config.yaml --yes",
		Args:    cobra.ExactArgs(1),
	})
	cmd.Flags().BoolVar(&yes, "yes", false, "this is meant, whatever happened since the backup")
	cmd.Flags().BoolVar(&leaveOut, "leave-out-sealed", false, "leave out records that no key of session.keys opens, instead of restoring nothing")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON object")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		file, _, err := s.storeFile()
		if err != nil {
			return err
		}
		if !yes {
			return &usageError{fmt.Errorf("restore: this puts %s in the place of %s, and takes back what happened since, as --help says: add --yes if that is meant", args[0], file.Path())}
		}
		line := s.progressOf("restore", inRecords)
		file.Progress = line.tell
		done, err := file.Restore(cmd.Context(), args[0], leaveOut)
		line.end()
		if errors.Is(err, app.ErrSealed) {
			return errors.New("restore: no key of session.keys opens some of the records: put back the keys that the gateway had then, or add --leave-out-sealed")
		}
		if err != nil {
			return fmt.Errorf("restore: %w", err)
		}
		return s.printRestored(file.Path(), done, asJSON)
	}
	return cmd
}

func (s *surroundings) printRestored(name string, done app.Restored, asJSON bool) error {
	if asJSON {
		return printJSON(s.stdout, struct {
			File    string `json:"file"`
			Records int    `json:"records"`
			Live    int    `json:"live"`
			LeftOut int    `json:"left_out"`
			Bytes   int64  `json:"bytes"`
			Before  string `json:"before,omitempty"`
		}{name, done.Records, done.Live, done.Sealed, done.Bytes, done.Kept})
	}
	text := fmt.Sprintf("%s: %s, %s\n", name, inRecords(int64(done.Records)), inBytes(done.Bytes))
	text += fmt.Sprintf("sessions that were live: %d; each goes on once the provider takes its refresh token\n", done.Live)
	if done.Sealed > 0 {
		text += fmt.Sprintf("left out, for no key opens them: %s\n", inRecords(int64(done.Sealed)))
	}
	if done.Kept != "" {
		text += fmt.Sprintf("the store that was there: %s\n", done.Kept)
	}
	_, err := fmt.Fprint(s.stdout, text)
	return err
}
