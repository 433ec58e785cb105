package app

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// rawUpstream reads requests from bare connections, by rules of its own that forgive nothing:
// whatever could be read in another way is no request, but a complaint. It answers each with
// what it has read.
type rawUpstream struct {
	addr string

	mu    sync.Mutex
	seen  []rawRequest // guarded by mu: read to their end
	wrong []string     // guarded by mu: what no strict server reads
}

// rawRequest is a request as it stood on the wire.
type rawRequest struct {
	line    string
	headers []string // "Name: value", in their order
	body    string
}

func (r rawRequest) String() string {
	if r.body == "" {
		return r.line
	}
	return fmt.Sprintf("%s %q", r.line, r.body)
}

// values returns those of a header, whatever the case and the spelling of its name.
func (r rawRequest) values(name string) []string {
	var out []string
	for _, h := range r.headers {
		n, v, _ := strings.Cut(h, ": ")
		if strings.EqualFold(strings.ReplaceAll(n, "_", "-"), name) {
			out = append(out, v)
		}
	}
	return out
}

func newRawUpstream(t *testing.T) *rawUpstream {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	up := &rawUpstream{addr: l.Addr().String()}
	var conns sync.WaitGroup
	conns.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			conns.Go(func() {
				defer context.AfterFunc(t.Context(), func() { _ = c.Close() })()
				up.serve(c)
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		conns.Wait()
	})
	return up
}

func (up *rawUpstream) serve(c net.Conn) {
	defer c.Close()
	for r := bufio.NewReader(c); ; {
		q, err := readStrictly(r)
		up.mu.Lock()
		switch {
		case err == nil:
			up.seen = append(up.seen, q)
		case errors.Is(err, errNotStrict):
			up.wrong = append(up.wrong, err.Error())
		}
		up.mu.Unlock()
		if err != nil {
			return // a request without its end is none
		}
		answer := q.String()
		if strings.HasPrefix(answer, "HEAD ") {
			answer = ""
		}
		_, _ = fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(answer), answer)
	}
}

// take returns what was read since the last time.
func (up *rawUpstream) take() (seen []rawRequest, wrong []string) {
	up.mu.Lock()
	defer up.mu.Unlock()
	seen, wrong = up.seen, up.wrong
	up.seen, up.wrong = nil, nil
	return seen, wrong
}

// errNotStrict is a message that two servers could read differently.
var errNotStrict = errors.New("not strict")

func notStrict(what string, of any) error { return fmt.Errorf("%w: %s in %q", errNotStrict, what, of) }

// readLine reads up to CR LF and finds both nowhere else, nor any other control character.
func readLine(r *bufio.Reader) (string, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return "", err
	}
	text, ok := strings.CutSuffix(line, "\r\n")
	if !ok || strings.ContainsFunc(text, func(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }) {
		return "", notStrict("a control character", line)
	}
	return text, nil
}

// readFields reads a header, or trailers.
func readFields(r *bufio.Reader) ([]string, error) {
	var out []string
	for {
		line, err := readLine(r)
		if err != nil || line == "" {
			return out, err
		}
		name, _, ok := strings.Cut(line, ": ")
		if !ok || name == "" || strings.ContainsAny(name, " \t\"(),/:;<=>?@[\\]{}") {
			return nil, notStrict("a name that is none", line)
		}
		out = append(out, line)
	}
}

// readStrictly reads one request (RFC 9112).
func readStrictly(r *bufio.Reader) (rawRequest, error) {
	line, err := readLine(r)
	if err != nil {
		return rawRequest{}, err
	}
	method, rest, _ := strings.Cut(line, " ")
	target, version, _ := strings.Cut(rest, " ")
	if version != "HTTP/1.1" || !strings.HasPrefix(target, "/") || strings.ContainsAny(target, "\\#") {
		return rawRequest{}, notStrict("a request line", line)
	}
	q := rawRequest{line: method + " " + target}
	if q.headers, err = readFields(r); err != nil {
		return q, err
	}
	lengths, codings := q.values("Content-Length"), q.values("Transfer-Encoding")
	switch {
	case len(q.values("Host")) != 1, len(lengths)+len(codings) > 1:
		return q, notStrict("headers", q.headers)
	case len(codings) == 1 && codings[0] != "chunked":
		return q, notStrict("a coding", codings)
	case len(codings) == 1:
		q.body, err = readChunks(r)
	case len(lengths) == 1:
		q.body, err = readLength(r, lengths[0], 10)
	}
	return q, err
}

func readLength(r *bufio.Reader, length string, base int) (string, error) {
	n, err := strconv.ParseUint(length, base, 20)
	if err != nil || strconv.FormatUint(n, base) != length {
		return "", notStrict("a length", length)
	}
	b := make([]byte, n)
	_, err = io.ReadFull(r, b)
	return string(b), err
}

func readChunks(r *bufio.Reader) (string, error) {
	var body strings.Builder
	for {
		size, err := readLine(r)
		if err != nil {
			return "", err
		}
		data, err := readLength(r, size, 16)
		if err != nil {
			return "", err
		}
		if data == "" {
			trailers, err := readFields(r)
			slices.Sort(trailers)
			for _, line := range trailers {
				body.WriteString("|" + line)
			}
			return body.String(), err
		}
		if end, err := readLine(r); err != nil || end != "" {
			return "", errors.Join(err, notStrict("a chunk's end", end))
		}
		body.WriteString(data)
	}
}
