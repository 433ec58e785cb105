// Package load drives requests at one of those that are compared, and says how quickly they
// were answered. The generators are programs of others wherever there are some, so that
// they favour nobody: wrk for HTTP/1.1, h2load for HTTP/2.
//
//	result, err := load.Wrk(ctx, load.Request{URL: "http://127.0.0.1:8080/api/1k", Size: 1024},
//		load.Shape{Connections: 32, Duration: 2 * time.Second})
//
// A load is closed: each connection sends its next request when it has its answer. All that
// is not a success fails the whole load: what is quick to refuse would look quick.
package load

import (
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"time"
)

// Request is what is sent, again and again.
type Request struct {
	Method  string // empty means GET
	URL     string
	Header  []string // each "Name: value"
	Body    int      // bytes that are sent
	Size    int64    // bytes that every answer has at least
	Cookies string   // a file with Cookie headers of one length, one a line; each request takes one at random
}

// Shape is how it is sent.
type Shape struct {
	Connections int
	Duration    time.Duration
}

// Result is how it was answered.
type Result struct {
	Requests       int64
	Took           time.Duration
	P50, P99, P999 time.Duration
}

// Rate is how many requests were answered in a second.
func (r Result) Rate() float64 { return float64(r.Requests) / r.Took.Seconds() }

// errNothing says that a load measured nothing.
var errNothing = errors.New("load: not one request was answered")

// ran makes an error of a generator that failed.
func ran(cmd *exec.Cmd, out []byte, err error) error {
	if errors.Is(err, exec.ErrNotFound) {
		return fmt.Errorf("load: %s is not installed: the packages are wrk and nghttp2-client", cmd.Args[0])
	}
	return fmt.Errorf("load: %s: %w\n%s", cmd.Args[0], err, out)
}

// percentiles sets those of the result. It sorts.
func (r *Result) percentiles(latencies []time.Duration) {
	slices.Sort(latencies)
	at := func(q float64) time.Duration { return latencies[int(q*float64(len(latencies)-1))] }
	r.P50, r.P99, r.P999 = at(0.5), at(0.99), at(0.999)
}
