package fill

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
	"github.com/cloakroom-bff/cloakroom/session/boltstore"
	"github.com/cloakroom-bff/cloakroom/session/redisstore"
)

// store is what is filled.
type store interface {
	session.Store
	io.Closer
}

// open opens what session.store names. A server that takes in so much answers late now and then.
func open(name string) (store, error) {
	if path, file := strings.CutPrefix(name, "bolt:"); file {
		return boltstore.Open(path, boltstore.Options{})
	}
	return redisstore.Open(name, redisstore.Options{Timeout: 10 * time.Second})
}

// keyring reads what session.keys has.
func keyring(keys []string) (*session.Keyring, error) {
	raw := make([][]byte, len(keys))
	for i, k := range keys {
		var err error
		if raw[i], err = base64.StdEncoding.DecodeString(k); err != nil {
			return nil, fmt.Errorf("fill: key %d is not base64: write it as cloakroom keys new prints it: %w", i+1, err)
		}
	}
	return session.NewKeyring(raw...)
}

// nobody refreshes nothing: no session is asked for a token while it is put in.
type nobody struct{}

var errNobody = errors.New("fill: there is no provider")

func (nobody) Refresh(context.Context, *session.Grant, session.Target) (*session.Renewal, error) {
	return nil, errNobody
}

func (nobody) Verify(context.Context, *session.Grant, session.Token) (*session.Identity, error) {
	return nil, errNobody
}

func (nobody) Revoke(context.Context, session.Revocation) error { return errNobody }
