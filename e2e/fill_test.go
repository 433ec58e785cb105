//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
	"github.com/cloakroom-bff/cloakroom/session/boltstore"
	"github.com/cloakroom-bff/cloakroom/session/redisstore"
)

// A filler writes sessions into a fleet's store before its replicas start, as they would
// have themselves. Nobody could log in so often.
type filler struct {
	t      *testing.T
	issuer string
	store  session.Store
	ring   *session.Keyring
}

// fillStore opens the store of a fleet that does not run yet; empty closes it.
func (f *fleet) fillStore() (fill *filler, empty func()) {
	f.t.Helper()
	dir := f.replicas[0].dir
	text, err := os.ReadFile(filepath.Join(dir, "session.key"))
	if err != nil {
		f.t.Fatal(err)
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(text)))
	if err != nil {
		f.t.Fatal(err)
	}
	fill = &filler{t: f.t, issuer: f.provider.URL}
	if fill.ring, err = session.NewKeyring(key); err != nil {
		f.t.Fatal(err)
	}
	store, err := f.openOwn(dir)
	if err != nil {
		f.t.Fatal(err)
	}
	fill.store = store
	return fill, func() {
		if err := store.Close(); err != nil {
			f.t.Fatal(err)
		}
	}
}

// ownStore is a store that this process opens.
type ownStore interface {
	session.Store
	Close() error
}

func (f *fleet) openOwn(dir string) (ownStore, error) {
	if f.redis != nil {
		return redisstore.Open("redis://"+f.redis.addr(), redisstore.Options{})
	}
	return boltstore.Open(filepath.Join(dir, "cloakroom.db"), boltstore.Options{})
}

// noProvider is for sessions whose tokens last.
type noProvider struct{}

var errNoProvider = errors.New("nobody was to ask the provider")

func (noProvider) Refresh(context.Context, *session.Grant, session.Target) (*session.Renewal, error) {
	return nil, errNoProvider
}

func (noProvider) Verify(context.Context, *session.Grant, session.Token) (*session.Identity, error) {
	return nil, errNoProvider
}

func (noProvider) Revoke(context.Context, session.Revocation) error { return errNoProvider }

// begin makes ten sessions for each of so many users, last used at a moment, and returns
// their tickets, user by user.
func (f *filler) begin(name string, users int, at func() time.Time) [][]string {
	f.t.Helper()
	m, err := session.New(session.Config{Store: f.store, Keys: f.ring, Refresher: noProvider{}, Now: at})
	if err != nil {
		f.t.Fatal(err)
	}
	tickets := make([][]string, users)
	var next atomic.Int64
	var all sync.WaitGroup
	for range 64 {
		all.Go(func() {
			for i := next.Add(1) - 1; int(i) < users; i = next.Add(1) - 1 {
				for n := range 10 {
					_, ticket, err := m.Begin(f.t.Context(), session.Start{Grant: f.grant(name, int(i), n), Device: session.Device{Browser: "Firefox", System: "Linux", Address: "192.0.2.0/24"}})
					if err != nil {
						f.t.Error(err)
						return
					}
					tickets[i] = append(tickets[i], ticket)
				}
			}
		})
	}
	all.Wait()
	if f.t.Failed() {
		f.t.FailNow()
	}
	return tickets
}

// grant is as long as one of a provider with JWTs of a usual size.
func (f *filler) grant(name string, user, n int) session.Grant {
	now, jwt := time.Now(), func(kind string, size int) session.Token {
		return session.Token(fmt.Sprintf("%s-%s-%d-%d.%s", kind, name, user, n, bytes.Repeat([]byte("e"), size)))
	}
	subject := fmt.Sprintf("%s-%d", name, user)
	return session.Grant{
		Issuer: f.issuer, ClientID: "cloakroom", Subject: subject, ProviderSession: fmt.Sprintf("sid-%s-%d", subject, n),
		RefreshToken: jwt("rt", 60), IDToken: jwt("idt", 900), AuthTime: now,
		Claims: map[string]any{"iss": f.issuer, "sub": subject, "name": subject, "email": subject + "@example.com", "roles": []any{"reader", "writer"}},
		Access: map[session.Target]session.AccessToken{{}: {Token: jwt("at", 1200), Type: "Bearer", Issued: now, Expiry: now.Add(24 * time.Hour)}},
	}
}
