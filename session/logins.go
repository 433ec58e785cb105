package session

import (
	"context"
	"sync"
	"time"
)

// logins is the budget of the token endpoint for logins. Anybody can have a login begun and
// come back with a code that he has made up, and each is one call to the provider. So it is
// apart from that of the refreshes, and each address has one of its own: who floods the
// callback waits in his own line, and takes nothing from others or from those who are
// signed in.
type logins struct {
	now func() time.Time

	mu        sync.Mutex
	perSecond float64            // guarded by mu: of one address
	by        map[string]*budget // guarded by mu: by address
	others    *budget            // guarded by mu: for all addresses beyond maxAddresses, together
	swept     time.Time          // guarded by mu
}

// maxAddresses bounds the addresses that are told apart.
const maxAddresses = 4096

// AdmitLogin returns nil when a code may be presented for a browser at this address. Beyond
// Config.Rate for each address it waits in line, for Config.Wait at most; then the error is a
// *RefreshError, and nothing has been presented.
func (m *Manager) AdmitLogin(ctx context.Context, address string) error {
	line, leave := context.WithTimeout(ctx, m.terms().Wait)
	defer leave()
	return m.logins.of(address).take(line, address, true)
}

// allow makes this the rate of each address. Who waits in an old line is still served there.
func (l *logins) allow(perSecond float64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.perSecond, l.by, l.others = perSecond, nil, nil
}

// of returns the budget of an address; nil is without a limit.
func (l *logins) of(address string) *budget {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.perSecond <= 0 {
		return nil
	}
	if b := l.by[address]; b != nil {
		return b
	}
	l.sweep()
	if len(l.by) >= maxAddresses {
		if l.others == nil {
			l.others = newBudget(l.perSecond, l.now)
		}
		return l.others
	}
	b := newBudget(l.perSecond, l.now)
	if l.by == nil {
		l.by = make(map[string]*budget)
	}
	l.by[address] = b
	return b
}

// sweep makes room where there is none, once a second at most: in a flood from everywhere
// there is none to be made. The caller holds mu.
func (l *logins) sweep() {
	now := l.now()
	if len(l.by) < maxAddresses || now.Sub(l.swept) < time.Second {
		return
	}
	l.swept = now
	for address, b := range l.by {
		if b.rested() {
			delete(l.by, address)
		}
	}
}
