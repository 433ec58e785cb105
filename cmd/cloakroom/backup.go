package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/spf13/cobra"

	"github.com/cloakroom-bff/cloakroom/internal/app"
)

func (s *surroundings) backupCommand() *cobra.Command {
	var overwrite, asJSON bool
	cmd := s.takesConfig(&cobra.Command{
		Use:   "backup FILE",
		Short: "Copy the session store while the gateway runs",
		Long: "Copy the file of session.store, as it is at one moment. The running gateway, which has it open,\n" +
			"is asked over the admin listener that the configuration names, with admin.token, and serves on\n" +
			"meanwhile; without one the file is copied as it lies. The copy is checked from beginning to end\n" +
			"before it gets its name: a backup that is there is whole.\n\n" +
			"What is in it is sealed with session.keys. Keep those, and not beside it.",
		Example: "  cloakroom backup /backup/sessions.db --config /etc/cloakroom/config.yaml\n" +
			"  cloakroom backup \"/backup/sessions-$(date +%F).db\" --json",
		Args: cobra.ExactArgs(1),
	})
	cmd.Flags().BoolVar(&overwrite, "overwrite", false, "replace a file that has this name already, once the copy is whole")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON object")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		file, cfg, err := s.storeFile()
		if err != nil {
			return err
		}
		line := s.progressOf("backup", inBytes)
		file.Progress = line.tell
		saved, err := file.Backup(cmd.Context(), args[0], overwrite, func(ctx context.Context, to func(int64) (io.Writer, error)) error {
			return newAdminClient(cfg.Admin, 0).download(ctx, "/backup", to)
		})
		line.end()
		if errors.Is(err, fs.ErrExist) {
			return &usageError{fmt.Errorf("backup: %s is there already: name another file, or add --overwrite", args[0])}
		}
		if err != nil {
			return fmt.Errorf("backup: %w", err)
		}
		return s.printSaved(args[0], saved, asJSON)
	}
	return cmd
}

func (s *surroundings) printSaved(name string, saved app.Saved, asJSON bool) error {
	if asJSON {
		return printJSON(s.stdout, struct {
			File    string `json:"file"`
			Records int    `json:"records"`
			Bytes   int64  `json:"bytes"`
			Online  bool   `json:"online"`
		}{name, saved.Records, saved.Bytes, saved.Online})
	}
	from := "the file, which no process had open"
	if saved.Online {
		from = "the running gateway"
	}
	_, err := fmt.Fprintf(s.stdout, "%s: %s, %s, from %s\n", name, inRecords(int64(saved.Records)), inBytes(saved.Bytes), from)
	return err
}
