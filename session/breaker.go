package session

import (
	"sync"
	"time"
)

// breaker keeps a provider that is down, or that does not know us any more, from being
// asked by every session in turn. While it is open one probe goes through at a time; all
// others get the last answer at once, and nothing is written.
type breaker struct {
	now func() time.Time

	mu       sync.Mutex
	failures int           // guarded by mu: in a row, of the provider and not of a session
	last     *RefreshError // guarded by mu: nil while the breaker is closed
	until    time.Time     // guarded by mu: when the next probe may go

	misfit *RefreshError // guarded by mu: what an operator has to mend; nil if nothing has
	told   time.Time     // guarded by mu: when the provider last said so
}

// breakAfter is how many failures in a row open the breaker. A refused client needs one:
// it is refused for everybody.
const breakAfter = 5

// probeFor is how long a probe may take before the next one goes.
const probeFor = 5 * time.Second

// allow returns nil if the provider may be asked; while the breaker is open the one who is
// let through is the probe.
func (b *breaker) allow() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.last == nil {
		return nil
	}
	now := b.now()
	if failed := b.standing(now); failed != nil {
		return failed
	}
	b.until = now.Add(probeFor)
	return nil
}

// standing is the answer that holds until the next probe may go; nil if one may. The caller
// holds mu.
func (b *breaker) standing(now time.Time) error {
	if b.last == nil || !now.Before(b.until) {
		return nil
	}
	out := *b.last
	out.RetryAfter = max(b.until.Sub(now), time.Second)
	return &out
}

// answer is what allow would say at now. It lets nobody through.
func (b *breaker) answer(now time.Time) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.standing(now)
}

// shut reports whether allow would say no at now. It lets nobody through.
func (b *breaker) shut(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.last != nil && now.Before(b.until)
}

// isOpen reports whether only probes go through.
func (b *breaker) isOpen() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.last != nil
}

// heard notes how an attempt ended; failed is nil after a good one.
func (b *breaker) heard(failed *RefreshError) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if failed == nil || failed.ofSession() {
		b.failures, b.last, b.misfit = 0, nil, nil // the provider answers, whatever it says of a session
		return
	}
	b.failures++
	if failed.Class == Operator {
		b.misfit, b.told = failed, b.now()
	}
	if failed.Class != Operator && b.failures < breakAfter && b.last == nil {
		return
	}
	b.last = failed
	b.until = b.now().Add(max(backoff(b.failures), min(failed.RetryAfter, longestWait)))
}

// provider reports whether a failure says something about the provider, or about us, and
// nothing about a session.
func (c Class) provider() bool { return c == Transient || c == Unknown || c == Operator }

// ofSession reports whether a failure says something about the session alone, and so that
// the provider answers and knows us.
func (e *RefreshError) ofSession() bool {
	return !e.Class.provider() || e.Class == Operator && e.Code == "invalid_request"
}

// misfitFor is how long a gateway that the provider does not know calls itself
// misconfigured after it was last told so.
const misfitFor = time.Minute

// misconfigured returns what an operator has to mend, nil if nothing is known.
func (b *breaker) misconfigured() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.misfit == nil || b.now().Sub(b.told) >= misfitFor {
		return nil
	}
	return b.misfit
}
