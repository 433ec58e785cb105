package devidp

import (
	"context"
	"sync"
)

// Hold is one answer that is kept back. It is safe for concurrent use.
type Hold struct {
	arrived  chan struct{} // closed when the answer is worked out
	released chan struct{}
	once     sync.Once
}

// Hold keeps back the next answer of an endpoint: what it does is done, and the client
// hears of it after Release. Several holds of an endpoint take one request each.
func (p *Provider) Hold(e Endpoint) *Hold {
	h := &Hold{arrived: make(chan struct{}), released: make(chan struct{})}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.holds[e] = append(p.holds[e], h)
	p.held[h] = struct{}{}
	return h
}

// Arrived is closed when a request has come and its answer is ready and kept back.
func (h *Hold) Arrived() <-chan struct{} { return h.arrived }

// Release lets the answer go. It may be called before the request, and twice.
func (h *Hold) Release() { h.once.Do(func() { close(h.released) }) }

// ReleaseAll releases every hold and returns how many there were.
func (p *Provider) ReleaseAll() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	for h := range p.held {
		h.Release()
	}
	n := len(p.held)
	clear(p.held)
	return n
}

// takeHold returns the hold that waits for a request at e, nil if there is none.
func (p *Provider) takeHold(e Endpoint) *Hold {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.holds[e]) == 0 {
		return nil
	}
	h := p.holds[e][0]
	p.holds[e] = p.holds[e][1:]
	return h
}

// keepBack waits for a hold's release. A nil hold keeps nothing.
func (p *Provider) keepBack(ctx context.Context, h *Hold) {
	if h == nil {
		return
	}
	close(h.arrived)
	select {
	case <-h.released:
	case <-ctx.Done():
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.held, h)
}
