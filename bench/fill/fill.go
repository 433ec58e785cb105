// Package fill puts sessions into a store, as that many logins would have: made by the
// session package, under the gateway's own keys, with tickets that the gateway opens.
//
//	tickets, err := os.Create("cookies.txt")
//	…
//	err = fill.Filling{
//		Store: "bolt:sessions.db", Keys: []string{key},
//		Issuer: "http://127.0.0.1:5001", Client: "bench", Sessions: 1_000_000,
//	}.Run(ctx, tickets)
//
// The tickets come out one a line, as a request's Cookie header has them. No provider takes
// part: the tokens are made up, of the length that real ones have, and hold for a day.
package fill

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

// Filling says what is put into which store. Several may follow each other on one store.
type Filling struct {
	// Store is where, as in session.store: bolt:PATH or a Redis URL. A file is made if it is
	// not there, and must not be open elsewhere.
	Store string
	// Keys are the gateway's session.keys, base64, newest first.
	Keys []string
	// Issuer and Client are the provider.issuer and provider.client_id of the gateway: it
	// presents a session's tokens under no others.
	Issuer, Client string
	// Sessions is how many, each of another user.
	Sessions int
	// TokenLife is how long the access tokens hold; zero means a day.
	TokenLife time.Duration
	// Cookie is the name of the ticket's cookie; empty means that on loopback.
	Cookie string
	// Grant makes the grant of session n, from 0; nil makes one up. It is called from many
	// goroutines.
	Grant func(n int) session.Grant
}

// callers is how many sessions begin at a time: a full batch of the file's writer, and
// one that waits behind it.
const callers = 1024

// Run puts the sessions in and writes their tickets, in the order in which they began. It
// ends early with ctx or with the first error.
func (f Filling) Run(ctx context.Context, tickets io.Writer) (err error) {
	ring, err := keyring(f.Keys)
	if err != nil {
		return err
	}
	s, err := open(f.Store)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	m, err := session.New(session.Config{Store: s, Keys: ring, Refresher: nobody{}, CacheBytes: 1 << 20})
	if err != nil {
		return err
	}
	if f.Grant == nil {
		f.Grant = f.madeUp()
	}
	if f.Cookie == "" {
		f.Cookie = "cloakroom"
	}
	return f.begin(ctx, m, tickets)
}

// begin has the callers begin one session after the other.
func (f Filling) begin(ctx context.Context, m *session.Manager, tickets io.Writer) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	begun := make(chan string, callers)
	var all sync.WaitGroup
	for range min(callers, f.Sessions) {
		all.Go(func() {
			for n := next.Add(1) - 1; n < int64(f.Sessions) && ctx.Err() == nil; n = next.Add(1) - 1 {
				_, ticket, err := m.Begin(ctx, session.Start{Grant: f.Grant(int(n)), Device: session.Device{Browser: "Firefox", System: "Linux", Address: "198.51.100.0/24"}})
				if err != nil {
					cancel(fmt.Errorf("fill: session %d: %w", n, err))
					return
				}
				begun <- ticket
			}
		})
	}
	go func() { // ends when the callers have, whose tickets are read to the last below
		all.Wait()
		close(begun)
	}()
	w := bufio.NewWriterSize(tickets, 1<<16)
	var failed error
	for ticket := range begun {
		if _, err := fmt.Fprintf(w, "%s=%s\n", f.Cookie, ticket); err != nil && failed == nil {
			failed = fmt.Errorf("fill: writing the tickets: %w", err)
			cancel(failed)
		}
	}
	if err := w.Flush(); err != nil && failed == nil {
		failed = fmt.Errorf("fill: writing the tickets: %w", err)
	}
	return errors.Join(context.Cause(ctx), failed)
}

// madeUp makes grants as long as those of providers with signed tokens.
func (f Filling) madeUp() func(int) session.Grant {
	life := f.TokenLife
	if life == 0 {
		life = 24 * time.Hour
	}
	now := time.Now()
	return func(n int) session.Grant {
		user := fmt.Sprintf("user-%07d", n)
		return session.Grant{
			Issuer: f.Issuer, ClientID: f.Client, Subject: user, ProviderSession: text(16),
			RefreshToken: session.Token(text(32)), IDToken: session.Token(text(640)),
			IssuedAt: now.Truncate(time.Second), AuthTime: now.Truncate(time.Second),
			Claims: map[string]any{"sub": user, "name": "User " + user, "email": user + "@example.com", "groups": []any{"staff"}},
			Access: map[session.Target]session.AccessToken{{}: {
				Token: session.Token(text(640)), Type: "Bearer", Scope: "openid profile email offline_access",
				Issued: now, Expiry: now.Add(life),
			}},
		}
	}
}

// text is n random bytes in the letters of a token.
func text(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return base64.RawURLEncoding.EncodeToString(b)
}
