package rig

import (
	"context"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Call is how one request ended.
type Call struct {
	At     time.Time
	Took   time.Duration
	Status int // 0: not at all
	Err    error
}

// Caller makes calls as the script of a page does. It is safe for concurrent use.
type Caller struct {
	client http.Client
	target string
}

// Caller calls an address of the gateway's.
func (g *Gateway) Caller(path string) *Caller {
	return &Caller{
		client: http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: 1024, DisableCompression: true}},
		target: g.Origin + path,
	}
}

// Call makes one call under a ticket, a request's Cookie header.
func (c *Caller) Call(ctx context.Context, ticket string) (done Call) {
	done.At = time.Now()
	defer func() { done.Took = time.Since(done.At) }()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.target, nil)
	if err != nil {
		done.Err = err
		return done
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	req.Header.Set("Sec-Fetch-Mode", "cors")
	req.Header.Set("Sec-Fetch-Dest", "empty")
	req.Header.Set("Cookie", ticket)
	res, err := c.client.Do(req)
	if err != nil {
		done.Err = err
		return done
	}
	defer res.Body.Close()
	if _, done.Err = io.Copy(io.Discard, res.Body); done.Err == nil {
		done.Status = res.StatusCode
	}
	return done
}

// Close closes the caller's idle connections.
func (c *Caller) Close() { c.client.CloseIdleConnections() }

// Steadily makes so many calls a second, for so long, whether those before have ended or
// not, and returns all of them in no order. Ticket says whose the next one is.
func (c *Caller) Steadily(ctx context.Context, rate int, d time.Duration, ticket func() string) []Call {
	tick := time.NewTicker(time.Second / time.Duration(rate))
	defer tick.Stop()
	end := time.NewTimer(d)
	defer end.Stop()
	var (
		mu    sync.Mutex
		calls []Call
		all   sync.WaitGroup
	)
	for {
		select {
		case <-tick.C:
		case <-end.C:
			all.Wait()
			return calls
		case <-ctx.Done():
			all.Wait()
			return calls
		}
		name := ticket()
		all.Go(func() {
			done := c.Call(ctx, name)
			mu.Lock()
			defer mu.Unlock()
			calls = append(calls, done)
		})
	}
}

// Each makes one call under each ticket, so many at a time, and returns them.
func (c *Caller) Each(ctx context.Context, width int, tickets []string) []Call {
	calls := make([]Call, len(tickets))
	var all sync.WaitGroup
	for w := range width {
		all.Go(func() {
			for i := w; i < len(tickets) && ctx.Err() == nil; i += width {
				calls[i] = c.Call(ctx, tickets[i])
			}
		})
	}
	all.Wait()
	return calls
}

// Times are the percentiles of what took some time, in microseconds.
type Times struct {
	P50 float64 `json:"p50_us"`
	P99 float64 `json:"p99_us"`
	Max float64 `json:"max_us"`
}

// TimesOf are those of at least one.
func TimesOf(took []time.Duration) (t Times) {
	if len(took) == 0 {
		return t
	}
	v := slices.Sorted(slices.Values(took))
	us := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 }
	return Times{P50: us(v[len(v)/2]), P99: us(v[len(v)*99/100]), Max: us(v[len(v)-1])}
}

// Took lists how long the calls with this status took.
func Took(calls []Call, status int) (took []time.Duration) {
	for _, c := range calls {
		if c.Status == status {
			took = append(took, c.Took)
		}
	}
	return took
}

// Typical is the median of the 99th percentiles of each second's successful calls: who else
// uses the machine disturbs some of them.
func Typical(calls []Call) (p99 time.Duration) {
	spans := make(map[int64][]time.Duration)
	for _, c := range calls {
		if c.Status == http.StatusOK {
			spans[c.At.Unix()] = append(spans[c.At.Unix()], c.Took)
		}
	}
	var worst []time.Duration
	for _, took := range spans {
		slices.Sort(took)
		worst = append(worst, took[len(took)*99/100])
	}
	if len(worst) == 0 {
		return 0
	}
	slices.Sort(worst)
	return worst[len(worst)/2]
}
