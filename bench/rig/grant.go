package rig

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

// Grant is made up, as long as those of providers with signed tokens. Its access token holds
// for so long, and its refresh token is the first that Provider takes under the subject's
// name.
func Grant(issuer, subject string, life time.Duration) session.Grant {
	now := time.Now()
	return session.Grant{
		Issuer: issuer, ClientID: Client, Subject: subject,
		RefreshToken: session.Token(subject + ".0"), IDToken: session.Token(text(640)),
		IssuedAt: now.Truncate(time.Second), AuthTime: now.Truncate(time.Second),
		Claims: map[string]any{"sub": subject, "name": "User " + subject, "email": subject + "@example.com", "groups": []any{"staff"}},
		Access: map[session.Target]session.AccessToken{{}: {
			Token: session.Token(text(640)), Type: "Bearer", Scope: "openid profile email offline_access", Issued: now, Expiry: now.Add(life),
		}},
	}
}

// text is n random bytes in the letters of a token.
func text(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return base64.RawURLEncoding.EncodeToString(b)
}

// Nobody is a provider that is not there.
type Nobody struct{}

var errNobody = errors.New("rig: there is no provider")

// Refresh implements [session.Refresher].
func (Nobody) Refresh(context.Context, *session.Grant, session.Target) (*session.Renewal, error) {
	return nil, errNobody
}

// Verify implements [session.Refresher].
func (Nobody) Verify(context.Context, *session.Grant, session.Token) (*session.Identity, error) {
	return nil, errNobody
}

// Revoke implements [session.Refresher].
func (Nobody) Revoke(context.Context, session.Revocation) error { return errNobody }

// Save writes figures into a file as JSON; without a name it does nothing.
func Save(file string, figures any) error {
	if file == "" {
		return nil
	}
	text, err := json.MarshalIndent(figures, "", "\t")
	if err != nil {
		return fmt.Errorf("rig: %w", err)
	}
	return os.WriteFile(file, append(text, '\n'), 0o644) //nolint:gosec // Figures are no secret.
}
