package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/websocket"
)

// WebSocket opens connections and sends on each a message of 64 bytes as soon as the last
// one has come back. A message there and back counts as one request.
func WebSocket(ctx context.Context, q Request, s Shape) (r Result, err error) {
	conns := make([]*websocket.Conn, 0, s.Connections)
	defer func() {
		for _, c := range conns {
			_ = c.Close() // everything has been said
		}
	}()
	for range s.Connections {
		c, err := dial(ctx, q)
		if err != nil {
			return r, fmt.Errorf("load: %s: %w", q.URL, err)
		}
		conns = append(conns, c)
	}
	began := time.Now()
	until := began.Add(s.Duration)
	latencies, failures := make([][]time.Duration, len(conns)), make([]error, len(conns))
	var all sync.WaitGroup
	for i, c := range conns {
		all.Go(func() { latencies[i], failures[i] = echo(c, until) })
	}
	all.Wait()
	r.Took = time.Since(began)
	if err := errors.Join(failures...); err != nil {
		return r, fmt.Errorf("load: %s: %w", q.URL, err)
	}
	var every []time.Duration
	for _, l := range latencies {
		every = append(every, l...)
	}
	if len(every) == 0 {
		return r, errNothing
	}
	r.Requests = int64(len(every))
	r.percentiles(every)
	return r, nil
}

func dial(ctx context.Context, q Request) (*websocket.Conn, error) {
	u, err := url.Parse(q.URL)
	if err != nil {
		return nil, err
	}
	// A page of the same origin opens it.
	cfg, err := websocket.NewConfig("ws://"+u.Host+u.Path, "http://"+u.Host)
	if err != nil {
		return nil, err
	}
	cfg.Header = make(http.Header)
	for _, h := range q.Header {
		name, value, _ := strings.Cut(h, ": ")
		cfg.Header.Set(name, value)
	}
	return cfg.DialContext(ctx)
}

// echo sends and receives until then, and returns how long each message took.
func echo(c *websocket.Conn, until time.Time) (latencies []time.Duration, err error) {
	if err := c.SetDeadline(until.Add(10 * time.Second)); err != nil {
		return nil, err
	}
	message, answer := []byte(strings.Repeat("m", 64)), make([]byte, 64)
	for sent := time.Now(); sent.Before(until); {
		if _, err := c.Write(message); err != nil {
			return nil, err
		}
		if _, err := io.ReadFull(c, answer); err != nil {
			return nil, err
		}
		now := time.Now()
		latencies, sent = append(latencies, now.Sub(sent)), now
	}
	return latencies, nil
}
