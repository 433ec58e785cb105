package oidc

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/cloakroom-bff/cloakroom/session"
)

// invalidDetails is the code of authorization details that are not granted (RFC 9396 §5).
const invalidDetails = "invalid_authorization_details"

// DetailTypes returns the types of authorization details, a JSON array of objects that each
// have one (RFC 9396 §2). The error says what is wrong with it.
func DetailTypes(details string) ([]string, error) {
	var objects []map[string]any
	if err := json.Unmarshal([]byte(details), &objects); err != nil || len(objects) == 0 {
		return nil, errors.New("authorization details are a JSON array of objects")
	}
	types := make([]string, len(objects))
	for i, o := range objects {
		name, _ := o["type"].(string)
		if name == "" {
			return nil, errors.New("each of the authorization details has a type, which is text")
		}
		types[i] = name
	}
	return types, nil
}

func (c *Config) checkDetails() error {
	for _, d := range c.AuthorizationDetails {
		if _, err := DetailTypes("[" + d + "]"); err != nil {
			return fmt.Errorf("oidc: AuthorizationDetails: %w", err)
		}
	}
	return nil
}

// ungranted refuses a token that does not grant every type that t names (RFC 9396 §7). What
// else stands in them is the provider's to grant in part or to fill in (§7.1), and the API's
// to judge.
func (a *answer) ungranted(t session.Target) *session.RefreshError {
	if t.Details == "" {
		return nil
	}
	wanted, err := DetailTypes(t.Details)
	if err != nil {
		return failure(session.BadScope, invalidDetails, err.Error())
	}
	granted, _ := DetailTypes(string(a.members["authorization_details"])) // none is none
	for _, name := range wanted {
		if !slices.Contains(granted, name) {
			return failure(session.BadScope, invalidDetails, fmt.Sprintf("the token has no authorization_details of type %q", short(name)))
		}
	}
	return nil
}

// askForDetails makes a login of details that a refresh did not bring: each login asks for
// all of them, so that who has signed in before they were configured gets them by another
// one. Who has just signed in does not, and must not go round in circles.
func (c *Client) askForDetails(g *session.Grant, failed *session.RefreshError) {
	if failed.Code == invalidDetails && failed.Class == session.BadScope && c.now().After(g.IssuedAt.Add(c.cfg.ClockSkew)) {
		failed.Class = session.Interaction
	}
}
