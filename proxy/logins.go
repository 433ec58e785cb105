package proxy

import (
	"context"
	"crypto/sha256"
	"errors"
	"sync"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

// A double click sends a callback twice, and of two answers the browser shows the later
// one; a browser that leaves and comes back never saw the first. The state is good for one
// of them. So callbacks that carry the same answer of the provider, each with the attempt
// and the binding of the browser that began it, share one login:
//
//	click ──▶ the login runs ───────▶ its ticket
//	click ──────▶ waits ────────────▶ the same ticket
//	click ─────────────────────────────▶ the same ticket, for loginKept
//
// A state that comes later, in another process or with another code has been used.

const (
	// loginKept is how long a callback that comes again finds what the first one came to.
	loginKept = 10 * time.Second
	// maxLogins bounds the logins that are known. Beyond it each callback is on its own.
	maxLogins = 4096
)

// logins are those that run and those that have just succeeded. The zero value is ready;
// it is safe for concurrent use.
type logins struct {
	mu    sync.Mutex
	known map[loginKey]*login // guarded by mu
}

// loginKey stands for an attempt and the provider's answer to it.
type loginKey [sha256.Size]byte

func keyOfLogin(a *attempt, answer *answer) loginKey {
	return sha256.Sum256([]byte(a.ID + answer.code)) // all ids have the same length
}

// login is what a callback came to. Nothing of it changes after done is closed.
type login struct {
	done    chan struct{}
	kept    time.Time // until when it is known; guarded by logins.mu, zero while it runs
	session session.ID
	ticket  string
	spent   bool  // the state is used up, whatever else happened
	err     error // why there is no ticket
}

// errLoginBroken is what the others hear when the login that they waited for panicked.
var errLoginBroken = errors.New("proxy: the login was not brought to its end")

// share runs the login for the first who asks with a key and gives it to all who ask while
// it runs; one that succeeded is given for loginKept. first reports whether the caller was
// the one. Who waits may leave: the error is that of ctx.
func (ls *logins) share(ctx context.Context, key loginKey, now func() time.Time, run func(*login)) (l *login, first bool, err error) {
	ls.mu.Lock()
	ls.sweep(now())
	if l = ls.known[key]; l != nil {
		ls.mu.Unlock()
		select {
		case <-l.done:
			return l, false, nil
		case <-ctx.Done():
			return nil, false, ctx.Err()
		}
	}
	l = &login{done: make(chan struct{}), err: errLoginBroken}
	if len(ls.known) < maxLogins {
		if ls.known == nil {
			ls.known = make(map[loginKey]*login)
		}
		ls.known[key] = l
	}
	ls.mu.Unlock()
	defer func() {
		ls.mu.Lock()
		defer ls.mu.Unlock()
		if l.kept = now().Add(loginKept); l.err != nil && ls.known[key] == l {
			delete(ls.known, key)
		}
		close(l.done)
	}()
	run(l)
	return l, true, nil
}

// sweep forgets what was kept long enough. It is called with mu held.
func (ls *logins) sweep(now time.Time) {
	for key, l := range ls.known {
		if !l.kept.IsZero() && !now.Before(l.kept) {
			delete(ls.known, key)
		}
	}
}
