package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"
)

func (s *surroundings) sessionsRevokeCommand() *cobra.Command {
	var all, yes, asJSON bool
	cmd := s.takesConfig(&cobra.Command{
		Use:   "revoke [id …]",
		Short: "End sessions, and revoke their refresh tokens",
		Long: "End sessions of the running gateway, on all replicas: those with these ids, or those that flags\n" +
			"choose, as in sessions list, or all. Their refresh tokens are revoked at the provider, in the\n" +
			"background and until it answers. What may end the sessions of more than one person needs --yes.",
		Example: "  cloakroom sessions revoke 5f0c…\n" +
			"  cloakroom sessions revoke --subject alice\n" +
			"  cloakroom sessions revoke --client shop --yes\n" +
			"  cloakroom sessions revoke --all --yes",
	})
	choose := takesFilter(cmd)
	cmd.Flags().BoolVar(&all, "all", false, "end all sessions")
	cmd.Flags().BoolVar(&yes, "yes", false, "this is meant, however many people it signs out")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON object")
	cmd.RunE = func(_ *cobra.Command, ids []string) error {
		query := choose()
		if err := checkRevoke(ids, query, all, yes); err != nil {
			return &usageError{fmt.Errorf("sessions: %w", err)}
		}
		cfg, err := s.load()
		if err != nil {
			return err
		}
		if all {
			query.Set("all", "true")
		}
		if yes {
			query.Set("confirm", "true")
		}
		ended, err := revoke(cmd.Context(), newAdminClient(cfg.Admin, revokeTimeout), ids, query)
		if err != nil && len(ids) < 2 {
			return fmt.Errorf("sessions: %w", err)
		}
		return errors.Join(err, s.printEnded(ended, asJSON))
	}
	return cmd
}

// checkRevoke finds what cannot be meant.
func checkRevoke(ids []string, query url.Values, all, yes bool) error {
	ways := 0
	for _, way := range []bool{len(ids) > 0, len(query) > 0, all} {
		if way {
			ways++
		}
	}
	switch {
	case ways == 0:
		return errors.New("which? Name ids, choose by flags such as --subject, or write --all --yes")
	case ways > 1:
		return errors.New("ids, flags that choose, and --all are three ways: take one")
	case len(ids) == 0 && !query.Has("subject") && !query.Has("provider_session") && !yes:
		return errors.New("this may end the sessions of many people: add --yes if that is meant")
	}
	return nil
}

// revoke ends those with the ids, one after the other and whatever happens to one, or those
// that the query chooses.
func revoke(ctx context.Context, c *adminClient, ids []string, query url.Values) (ended int, err error) {
	var answer struct {
		Ended int `json:"ended"`
	}
	if len(ids) == 0 {
		err = c.call(ctx, http.MethodDelete, "/sessions", query, &answer)
		return answer.Ended, err
	}
	for _, id := range ids {
		if failed := c.call(ctx, http.MethodDelete, "/sessions/"+id, nil, &answer); failed != nil {
			err = errors.Join(err, fmt.Errorf("%s: %w", printable(id), failed))
			continue
		}
		ended += answer.Ended
	}
	return ended, err
}

func (s *surroundings) printEnded(n int, asJSON bool) error {
	if asJSON {
		return printJSON(s.stdout, map[string]int{"ended": n})
	}
	_, err := fmt.Fprintln(s.stdout, endedText(n))
	return err
}

func endedText(n int) string {
	switch n {
	case 0:
		return "no session ended"
	case 1:
		return "1 session ended"
	}
	return fmt.Sprintf("%d sessions ended", n)
}
