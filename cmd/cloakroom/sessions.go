package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func (s *surroundings) sessionsCommand() *cobra.Command {
	group := &cobra.Command{
		Use:     "sessions",
		Short:   "List sessions, and end them",
		Example: "  cloakroom sessions list --subject alice\n  cloakroom sessions revoke --subject alice",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	group.AddCommand(s.sessionsListCommand(), s.sessionsRevokeCommand())
	return group
}

// listTimeout and revokeTimeout are longer than the gateway takes at most.
const (
	listTimeout   = 90 * time.Second
	revokeTimeout = 15 * time.Minute
)

func (s *surroundings) sessionsListCommand() *cobra.Command {
	var limit int
	var asJSON bool
	cmd := s.takesConfig(&cobra.Command{
		Use:   "list",
		Short: "List live sessions, the last used first",
		Long: "List the live sessions of the running gateway, on all replicas, the last used first. Flags\n" +
			"choose which; several of them choose those that fit all. It asks the admin listener that the\n" +
			"configuration names, with admin.token.",
		Example: "  cloakroom sessions list --subject alice\n" +
			"  cloakroom sessions list --address 192.0.2.0/24 --max-age 24h\n" +
			"  cloakroom sessions list --limit 0 --json | jq -r '.[].subject' | sort | uniq -c",
		Args: cobra.NoArgs,
	})
	choose := takesFilter(cmd)
	cmd.Flags().IntVar(&limit, "limit", 100, "list `n` at most; 0 for all")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON array")
	cmd.RunE = func(*cobra.Command, []string) error {
		if limit < 0 {
			return &usageError{fmt.Errorf("sessions: --limit %d: write 0 for all, or a number above", limit)}
		}
		cfg, err := s.load()
		if err != nil {
			return err
		}
		list, more, err := listSessions(cmd, newAdminClient(cfg.Admin, listTimeout), choose(), limit)
		if err != nil {
			return fmt.Errorf("sessions: %w", err)
		}
		if more {
			_, _ = fmt.Fprintf(s.stderr, "There are more than these %d: --limit 0 lists all.\n", len(list)) // the list is what counts
		}
		if asJSON {
			return printJSON(s.stdout, list)
		}
		return printSessions(s.stdout, list)
	}
	return cmd
}

// listedSession is what the table shows of a session; whole is all of it.
type listedSession struct {
	ID       string    `json:"id"`
	Subject  string    `json:"subject"`
	Client   string    `json:"client"`
	Browser  string    `json:"browser"`
	System   string    `json:"system"`
	Address  string    `json:"address"`
	Created  time.Time `json:"created"`
	LastSeen time.Time `json:"last_seen"`

	whole json.RawMessage
}

// UnmarshalJSON implements json.Unmarshaler.
func (l *listedSession) UnmarshalJSON(data []byte) error {
	type plain listedSession
	l.whole = slices.Clone(data)
	return json.Unmarshal(data, (*plain)(l))
}

// MarshalJSON implements json.Marshaler.
func (l listedSession) MarshalJSON() ([]byte, error) { return l.whole, nil }

// listSessions asks page by page, until there are limit sessions; zero means all. more says
// that there would be others.
func listSessions(cmd *cobra.Command, c *adminClient, query url.Values, limit int) (list []listedSession, more bool, err error) {
	list = []listedSession{}
	const most = 10_000
	for {
		n := most
		if limit > 0 {
			n = min(n, limit-len(list))
		}
		query.Set("limit", strconv.Itoa(n))
		var page struct {
			Sessions []listedSession `json:"sessions"`
			Next     string          `json:"next"`
		}
		if err := c.call(cmd.Context(), http.MethodGet, "/sessions", query, &page); err != nil {
			return nil, false, err
		}
		list = append(list, page.Sessions...)
		if page.Next == "" || limit > 0 && len(list) >= limit {
			slices.SortStableFunc(list, func(a, b listedSession) int { return b.LastSeen.Compare(a.LastSeen) })
			return list, page.Next != "", nil
		}
		query.Set("after", page.Next)
	}
}

// takesFilter gives a command the flags that choose sessions. The function that it returns
// reads those that were given, also empty ones: the gateway refuses them, where leaving
// them out would choose everybody.
func takesFilter(cmd *cobra.Command) (read func() url.Values) {
	flags := pflag.NewFlagSet("filter", pflag.ContinueOnError)
	flags.String("subject", "", "of this user: the provider's `sub`")
	flags.String("issuer", "", "of this provider, if it was not always the configured one: the `iss`")
	flags.String("provider-session", "", "of this session at the provider: the `sid`")
	flags.String("client", "", "of this client `ID` at the provider")
	flags.String("browser", "", "in this browser, such as `Firefox`")
	flags.String("system", "", "on this system, such as `Android`")
	flags.String("address", "", "that signed in from this address or `network`")
	flags.Duration("min-age", 0, "that began this `long` ago or longer")
	flags.Duration("max-age", 0, "that began this `long` ago or less")
	flags.Duration("min-idle", 0, "that were last used this `long` ago or longer")
	flags.Duration("max-idle", 0, "that were last used this `long` ago or less")
	cmd.Flags().AddFlagSet(flags)
	return func() url.Values {
		query := url.Values{}
		flags.VisitAll(func(f *pflag.Flag) {
			if f.Changed {
				query.Set(strings.ReplaceAll(f.Name, "-", "_"), f.Value.String())
			}
		})
		return query
	}
}

// printSessions writes a table.
func printSessions(out io.Writer, list []listedSession) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	rows := [][]string{{"SUBJECT", "LAST SEEN", "CREATED", "BROWSER", "SYSTEM", "ADDRESS", "CLIENT", "ID"}}
	for _, l := range list {
		rows = append(rows, []string{
			l.Subject, l.LastSeen.Format(time.RFC3339), l.Created.Format(time.RFC3339),
			l.Browser, l.System, l.Address, l.Client, l.ID,
		})
	}
	for _, row := range rows {
		for i := range row {
			row[i] = printable(row[i])
		}
		if _, err := fmt.Fprintln(table, strings.Join(row, "\t")); err != nil {
			return err
		}
	}
	return table.Flush()
}

// printable keeps a claim from moving the cursor, or from hiding what follows.
func printable(text string) string {
	if text == "" {
		return "-"
	}
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, text)
}

func printJSON(out io.Writer, value any) error {
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(value)
}
