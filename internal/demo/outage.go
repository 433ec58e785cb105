package demo

import (
	"sync"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/devidp"
)

// Outage returns the Config.Outage of a development provider: while it is down, what the
// gateway asks of it is answered 503; the pages that a browser sees there go on.
func Outage(p *devidp.Provider) func(down bool) {
	return func(down bool) {
		p.Adjust(func(k *devidp.Knobs) {
			k.DiscoveryDown, k.ErrorNext = down, nil
			if down {
				const body = `{"error":"temporarily_unavailable"}`
				k.ErrorNext = []devidp.CannedAnswer{
					{At: devidp.TokenEndpoint, Body: body, Times: -1},
					{At: devidp.RevocationEndpoint, Body: body, Times: -1},
				}
			}
		})
	}
}

// outageFor is longer than the demo's tokens live, so that every outage is felt: the last
// good token runs out in its middle.
const outageFor = 20 * time.Second

// outage is the desk's outage of the provider. It heals by itself, and at the latest when
// the Backend closes.
type outage struct {
	down func(bool) // takes the provider down, or up again
	now  func() time.Time

	mu     sync.Mutex
	until  time.Time   // guarded by mu: zero while the provider works
	timer  *time.Timer // guarded by mu: the end that is coming, nil if none
	closed bool        // guarded by mu: no outage begins any more
}

// begin takes the provider down for outageFor, or prolongs the outage to that. False after
// end.
func (o *outage) begin() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return false
	}
	until := o.now().Add(outageFor)
	o.until = until
	o.down(true)
	o.timer = time.AfterFunc(outageFor, func() { o.heal(until) })
	return true
}

// heal ends the outage that was to end at this moment; a prolonged one goes on.
func (o *outage) heal(until time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.until.Equal(until) {
		o.mend()
	}
}

// end ends the outage, if there is one, and lets none begin.
func (o *outage) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	if o.timer != nil {
		o.timer.Stop()
		o.mend()
	}
}

// mend takes the provider up. The caller holds mu.
func (o *outage) mend() {
	o.until, o.timer = time.Time{}, nil
	o.down(false)
}

// left is how long the outage goes on; zero means that the provider works.
func (o *outage) left() time.Duration {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.until.IsZero() {
		return 0
	}
	return max(o.until.Sub(o.now()), time.Millisecond)
}
