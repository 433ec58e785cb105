package session

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2/stats"
)

// Counts is what a Manager knows of itself, for metrics. What only grows says so.
type Counts struct {
	// Live is how many sessions the store holds that live, as it was counted seconds ago; -1
	// if that is not known. One that has ended counts on while its ID token is kept for the
	// logout at the provider, for five minutes.
	Live int

	Hits   uint64 // grows: sessions that were asked for and found in memory
	Misses uint64 // grows: those that had to be read from the store

	Waiting   int    // requests that wait for a token at this moment
	Flights   int    // refreshes, and other calls for tokens, that are under way
	TakenOver uint64 // grows: leases whose holder never said what came of its refresh

	Budget BudgetCounts

	// BreakerOpen says that the provider failed so often that only a probe is sent, now and
	// then.
	BreakerOpen bool
}

// BudgetCounts says what became of those who wanted to ask the provider for a token. All but
// InLine grow, and begin anew with another rate.
type BudgetCounts struct {
	InLine int // who wait for their turn at this moment

	AtOnce    uint64 // went without a wait
	Waited    uint64 // had to wait for their turn, and got it
	GaveUp    uint64 // waited in vain, or would have
	StoodBack uint64 // had a token that held, and left their turn to those who had none
}

// Counted is a Store that can say how many records it has whose Due time is set, without
// reading them. It is safe for concurrent use.
type Counted interface {
	Store

	// Count returns about that number: it may be a moment old, and a record that has lost
	// its Due time may count until that time has come. An error that wraps
	// errors.ErrUnsupported says that it will never be known.
	Count(ctx context.Context) (int, error)
}

// tally is what a Manager counts for Counts.
type tally struct {
	lookups   *stats.Counter // striped: every request counts here
	live      atomic.Int64   // -1: not known
	waiting   atomic.Int64
	takenOver atomic.Uint64
}

// countEvery is the pause between two counts of the store's records.
const countEvery = 10 * time.Second

func (t *tally) init() {
	t.lookups = stats.NewCounter()
	t.live.Store(-1)
}

// Counts returns what the Manager knows of itself at this moment. It asks no store.
func (m *Manager) Counts() Counts {
	seen := m.tally.lookups.Snapshot()
	c := Counts{
		Live: int(m.tally.live.Load()),
		Hits: seen.Hits, Misses: seen.Misses,
		Waiting: int(m.tally.waiting.Load()), Flights: m.flights.count(), TakenOver: m.tally.takenOver.Load(),
		Budget: m.budget.Load().count(), BreakerOpen: m.breaker.isOpen(),
	}
	if c.Live >= 0 {
		// What waits for a revocation is due, too, and is over.
		waiting, _ := m.Backlog()
		c.Live = max(c.Live-waiting, 0)
	}
	return c
}

// runCount has the store counted from time to time, until ctx ends.
func (m *Manager) runCount(ctx context.Context) {
	store, ok := m.cfg.Store.(Counted)
	if !ok {
		return
	}
	tick := time.NewTicker(countEvery)
	defer tick.Stop()
	for {
		n, err := store.Count(ctx)
		if errors.Is(err, errors.ErrUnsupported) {
			return
		}
		if err == nil { // else the store is away, which others tell
			m.tally.live.Store(int64(n))
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
