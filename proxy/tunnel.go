package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// tunnel hands the upstream's 101 to the client and then carries bytes both ways, until
// both have ended, one has failed, or ctx ends.
func (g *Gateway) tunnel(ctx context.Context, x *exchange, res *http.Response) error {
	upstream, ok := res.Body.(io.ReadWriteCloser)
	if !ok {
		return errors.New("proxy: upstream: the connection of a WebSocket cannot be written to")
	}
	defer upstream.Close()
	defer context.AfterFunc(ctx, func() { _ = upstream.Close() })()
	client, buffered, err := x.Hijack()
	if err != nil {
		return fmt.Errorf("proxy: taking over the connection: %w", err)
	}
	defer client.Close()
	res.Body = nil
	early, err := buffered.Peek(buffered.Reader.Buffered())
	if err == nil {
		err = errors.Join(res.Write(buffered), buffered.Flush())
	}
	if err == nil {
		_, err = upstream.Write(early)
	}
	if err != nil {
		return nil // There is nobody left to hear of it.
	}
	up := make(chan struct{})
	go func() {
		defer close(up)
		if g.carry(upstream, client) != nil {
			_ = upstream.Close() // ends the other direction
		}
	}()
	if g.carry(client, upstream) != nil {
		_ = client.Close()
		_ = upstream.Close()
	}
	<-up
	return nil
}

// idleBuffer is how much of a connection on which little is said is read at once, in bytes.
// Thousands may be open.
const idleBuffer = 2 << 10

// carry copies one direction of a tunnel, and passes its end on. An error means that the
// other direction is over, too.
func (g *Gateway) carry(to io.Writer, from io.Reader) error {
	idle := make([]byte, idleBuffer)
	for {
		n, err := pass(to, from, idle)
		if n == len(idle) && err == nil {
			err = g.rush(to, from)
		}
		if errors.Is(err, io.EOF) {
			return closeWrite(to)
		}
		if err != nil {
			return err
		}
	}
}

// rush copies through a large buffer for as long as a small one would overflow.
func (g *Gateway) rush(to io.Writer, from io.Reader) error {
	buf := g.buffers.large.get()
	defer g.buffers.large.put(buf)
	for {
		if n, err := pass(to, from, *buf); err != nil || n < idleBuffer {
			return err
		}
	}
}

// pass copies what one read brings.
func pass(to io.Writer, from io.Reader, buf []byte) (int, error) {
	n, err := from.Read(buf)
	if n > 0 {
		if _, err := to.Write(buf[:n]); err != nil {
			return n, err
		}
	}
	return n, err
}

// closeWrite passes on the end of one direction. Where that cannot be said alone, both end.
func closeWrite(to io.Writer) error {
	half, ok := to.(interface{ CloseWrite() error })
	if !ok {
		return errors.ErrUnsupported
	}
	return half.CloseWrite()
}
