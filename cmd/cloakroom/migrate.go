package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/cloakroom-bff/cloakroom/internal/migrate"
)

// migration is what the flags of a migration say.
type migration struct {
	asJSON bool
	out    string
}

const migrateLong = "It prints config.yaml, and on standard error what became of each setting. Nothing is dropped in\n" +
	"silence, no secret is printed, and a route whose guard could not be carried lets nobody in.\n\n" +
	"Exit code 0 if all was carried, 1 if something was not or is not known, 2 if the input cannot\n" +
	"be read."

func (s *surroundings) migrateCommand() *cobra.Command {
	group := &cobra.Command{
		Use:     "migrate",
		Short:   "Write config.yaml from the configuration of another product",
		Example: "  cloakroom migrate oauth2-proxy /etc/oauth2-proxy.cfg > config.yaml",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	group.AddCommand(s.migrateOAuth2Proxy(),
		s.migrateFiles("duende FILE…", "Write config.yaml from the settings of a Duende BFF",
			"Read appsettings.json, the file of frontends, and YARP's routes and clusters; of several files\nthe later goes first.\n\n"+migrateLong,
			"  cloakroom migrate duende appsettings.json appsettings.Production.json --out config.yaml", migrate.Duende),
		s.migrateFiles("mod_auth_openidc FILE…", "Write config.yaml from Apache's directives",
			"Read one virtual host with mod_auth_openidc, its locations and what they are proxied to.\n\n"+migrateLong,
			"  cloakroom migrate mod_auth_openidc /etc/apache2/sites-enabled/app.conf --out config.yaml", migrate.ModAuthOpenIDC))
	return group
}

func (s *surroundings) migrateOAuth2Proxy() *cobra.Command {
	var m migration
	var environment bool
	cmd := &cobra.Command{
		Use:   "oauth2-proxy [FILE…] [-- FLAG…]",
		Short: "Write config.yaml from the configuration of oauth2-proxy",
		Long: "Read a .cfg, the alpha YAML, a command line, a file of variables, a manifest of Kubernetes, a\n" +
			"file of Compose or values of Helm, and the flags behind --; the parts go together as in\n" +
			"oauth2-proxy: flags before the environment before files.\n\n" + migrateLong,
		Example: "  cloakroom migrate oauth2-proxy /etc/oauth2-proxy.cfg --out config.yaml\n" +
			"  cloakroom migrate oauth2-proxy deployment.yaml\n" +
			"  cloakroom migrate oauth2-proxy oauth2-proxy.cfg -- --email-domain=example.com",
	}
	cmd.Flags().BoolVar(&environment, "environment", false, "read the variables OAUTH2_PROXY_… of this process, too")
	m.flags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var in migrate.Input
		if dash := cmd.ArgsLenAtDash(); dash >= 0 {
			args, in.Args = args[:dash], args[dash:]
		}
		if environment {
			in.Environ = s.env
		}
		return s.migrate(m, in, args, migrate.OAuth2Proxy)
	}
	return cmd
}

// migrateFiles is a migration whose input is files alone.
func (s *surroundings) migrateFiles(use, short, long, example string, read func(migrate.Input) (migrate.Result, error)) *cobra.Command {
	var m migration
	cmd := &cobra.Command{Use: use, Short: short, Long: long, Example: example, Args: cobra.MinimumNArgs(1)}
	m.flags(cmd)
	cmd.RunE = func(_ *cobra.Command, args []string) error { return s.migrate(m, migrate.Input{}, args, read) }
	return cmd
}

func (m *migration) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&m.out, "out", "", "write config.yaml into this new `file`, and the remarks on standard output")
	cmd.Flags().BoolVar(&m.asJSON, "json", false, "print configuration and remarks as JSON")
}

// migrate reads the files, and prints what they become.
func (s *surroundings) migrate(m migration, in migrate.Input, files []string, read func(migrate.Input) (migrate.Result, error)) error {
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			return &usageError{fmt.Errorf("migrate: %w", err)}
		}
		in.Documents = append(in.Documents, migrate.Document{Name: name, Text: string(text)})
	}
	result, err := read(in)
	if err != nil {
		return &usageError{err}
	}
	remarks := s.stderr
	if m.out != "" {
		if err := writeNew(m.out, result.Config); err != nil {
			return err
		}
		remarks = s.stdout
	} else if !m.asJSON {
		if _, err := s.stdout.Write(result.Config); err != nil {
			return err
		}
	}
	if m.asJSON {
		err = printJSON(s.stdout, struct {
			Config  string           `json:"config"`
			Remarks []migrate.Remark `json:"remarks"`
		}{string(result.Config), result.Remarks})
	} else {
		err = s.coloursOf(remarks).printRemarks(remarks, result)
	}
	if err != nil {
		return err
	}
	if n := result.Count(migrate.Lost, migrate.Unknown); n > 0 {
		return fmt.Errorf("migrate: settings that were not carried: %d", n)
	}
	return nil
}

// writeNew writes a file that is not there yet: a configuration that somebody has mended
// is not overwritten.
func writeNew(name string, text []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return &usageError{fmt.Errorf("migrate: %s is there already: name another file, or remove it", name)}
	}
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	_, err = f.Write(text)
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}

// printRemarks writes a line for each remark: what became of it, where it stood, where it
// is now, and why.
func (c colours) printRemarks(out io.Writer, r migrate.Result) error {
	shade := map[migrate.Kind]string{migrate.Lost: red, migrate.Unknown: red, migrate.Todo: yellow, migrate.Changed: yellow, migrate.Carried: green, migrate.Needless: green}
	option, to := 0, 0
	for _, remark := range r.Remarks {
		option, to = max(option, min(len(remark.Option), 40)), max(to, min(len(remark.To), 30))
	}
	for _, remark := range r.Remarks {
		kind := c.paint(shade[remark.Kind], fmt.Sprintf("%-8s", remark.Kind))
		line := fmt.Sprintf("%s  %-*s  %-*s  %s", kind, option, remark.Option, to, remark.To, remark.Text)
		if remark.At != "" {
			line += " (" + remark.At + ")"
		}
		if _, err := fmt.Fprintln(out, line); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(out, "\n%d lost, %d unknown, %d to do, %d changed, %d carried, %d needless\n", r.Count(migrate.Lost), r.Count(migrate.Unknown),
		r.Count(migrate.Todo), r.Count(migrate.Changed), r.Count(migrate.Carried), r.Count(migrate.Needless))
	return err
}
