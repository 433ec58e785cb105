package proxy

import (
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// call sends a request to the route's upstream and streams the answer to the client. It
// panics with http.ErrAbortHandler if the answer ends before it should: all that can be said
// then is that the connection is over.
func (g *Gateway) call(x *exchange, req *http.Request) error {
	res, err := x.route.upstream.RoundTrip(req)
	if err != nil {
		return err
	}
	upgraded := res.StatusCode == http.StatusSwitchingProtocols
	if !upgraded {
		endAtConnection(res.Header, res.Header["Connection"])
		maps.DeleteFunc(res.Header, func(name string, _ []string) bool { return ofConnection(name) })
	}
	if err := g.answered(req.Context(), x, res); err != nil {
		_ = res.Body.Close() // the answer is worth nothing
		return err
	}
	if upgraded {
		return g.tunnel(req.Context(), x, res)
	}
	appendHeader(x.Header(), res.Header)
	announce(x.Header(), res.Trailer)
	announced := len(res.Trailer)
	x.WriteHeader(res.StatusCode)
	if err := g.copyBody(x, res); err != nil {
		_ = res.Body.Close() // likewise
		g.cfg.Log.Debug("an answer was cut", "path", shortened(x.path), "err", withoutQuotes(err))
		panic(http.ErrAbortHandler)
	}
	_ = res.Body.Close() // it was read to its end
	if len(res.Trailer) > 0 {
		x.endWith(res.Trailer, announced)
	}
	return nil
}

// appendHeader puts the lines of one header behind those of another. They are shared.
func appendHeader(to, from http.Header) {
	for name, lines := range from {
		if before := to[name]; len(before) > 0 {
			lines = append(slices.Clip(before), lines...)
		}
		to[name] = lines
	}
}

// announce names the trailers that will come (RFC 9110 §6.6.2).
func announce(h, trailers http.Header) {
	if len(trailers) == 0 {
		return
	}
	names := make([]string, 0, len(trailers))
	for name := range trailers {
		names = append(names, name)
	}
	h["Trailer"] = append(h["Trailer"], strings.Join(names, ", "))
}

// endWith writes trailers. Of those that were not announced the server is told by a prefix.
func (x *exchange) endWith(trailers http.Header, announced int) {
	_ = http.NewResponseController(x).Flush() // Else a short answer would get a length, and no trailers.
	prefix := http.TrailerPrefix
	if len(trailers) == announced {
		prefix = ""
	}
	h := x.Header()
	for name, lines := range trailers {
		h[prefix+name] = append(h[prefix+name], lines...)
	}
}

// copyBody copies the body of an answer. One without a length may come in pieces, now and
// then; each goes on at once.
func (g *Gateway) copyBody(x *exchange, res *http.Response) error {
	if res.Body == http.NoBody {
		return nil
	}
	pool := g.buffers.of(res.ContentLength)
	buf := pool.get()
	defer func() { pool.put(buf) }()
	flush := func() error { return nil }
	if res.ContentLength < 0 {
		flush = http.NewResponseController(x).Flush
		if !arrived(res.Body) {
			_ = flush() // A write finds out, too, if nobody is left.
		}
	}
	for {
		n, err := res.Body.Read(*buf)
		if n > 0 {
			if _, err := x.Write((*buf)[:n]); err != nil {
				return err
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		_ = flush() // likewise
		if next := g.buffers.after(n, res.ContentLength); next != pool {
			pool.put(buf)
			pool, buf = next, next.get()
		}
	}
}

// arrived reports whether the beginning of a body has come with the header, so that the two
// can go on together.
func arrived(body io.Reader) bool {
	b, ok := body.(interface{ Arrived() bool })
	return ok && b.Arrived()
}
