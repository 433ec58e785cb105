package inbound

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/cloakroom-bff/cloakroom/internal/framing"
)

// answer is the http.ResponseWriter of the loop. It gathers what is written, and most
// answers go out with one write. It behaves as http.Server's own does; the goroutine that
// serves owns it.
type answer struct {
	conn    *framing.Conn
	leaving func() bool // the server takes no other request
	today   *today

	header   http.Header
	head     bool // the request was HEAD
	status   int  // 0: nothing was said yet
	length   int64
	written  int64
	typed    bool // nobody needs to guess the type
	dated    bool
	close    bool     // the connection ends with this answer
	trailing bool     // there will be trailers
	trailers []string // that were announced
	framed   bool     // the end of the header is in out, or has gone
	chunked  bool
	out      []byte // the header, and the beginning of the body once it is framed
	held     []byte // the beginning of a body whose length nobody said
	err      error  // of the connection
}

// Sizes in bytes: how much of a body without a length is held back, in the hope for its end,
// and how much is gathered for one write.
const (
	heldMost = 2 << 10
	outMost  = 64 << 10
)

const unknown = -1

// reset is for a new request on the same connection.
func (a *answer) reset(head bool) {
	if a.header == nil {
		a.header = make(http.Header)
	}
	clear(a.header)
	*a = answer{
		conn: a.conn, leaving: a.leaving, today: a.today, header: a.header, head: head, length: unknown,
		trailers: a.trailers[:0], out: a.out[:0], held: a.held[:0],
	}
}

// Header implements http.ResponseWriter.
func (a *answer) Header() http.Header { return a.header }

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(status int) {
	switch {
	case a.status != 0:
		return
	case status < 100 || status > 999:
		panic("inbound: " + strconv.Itoa(status) + " is no status")
	case status < 200 && status != http.StatusSwitchingProtocols:
		a.interim(status)
		return
	}
	a.status = status
	a.length = lengthOf(a.header["Content-Length"])
	a.close = hasClose(a.header["Connection"])
	a.statusLine(status)
	for name, lines := range a.header {
		switch name {
		case "Content-Length", "Transfer-Encoding":
			continue
		case "Connection":
			if a.close {
				continue
			}
		case "Content-Type":
			a.typed = true
			if status == http.StatusNotModified {
				continue
			}
		case "Content-Encoding":
			a.typed = a.typed || len(lines) > 0 && lines[0] != ""
		case "Date":
			a.dated = true
		case "Trailer":
			a.announce(lines)
		}
		if strings.HasPrefix(name, http.TrailerPrefix) {
			a.trailing = true
			continue
		}
		a.lines(name, lines)
	}
}

func lengthOf(lines []string) int64 {
	if len(lines) > 0 {
		if n, err := strconv.ParseInt(strings.TrimSpace(lines[0]), 10, 64); err == nil && n >= 0 {
			return n
		}
	}
	return unknown
}

// hasClose reports whether a Connection header ends the connection (RFC 9112 §9.6).
func hasClose(connection []string) bool {
	for _, line := range connection {
		for option := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.Trim(option, " \t"), "close") {
				return true
			}
		}
	}
	return false
}

// announce remembers the trailers that the handler will set.
func (a *answer) announce(lines []string) {
	a.trailing = true
	for _, line := range lines {
		for name := range strings.SplitSeq(line, ",") {
			if name = http.CanonicalHeaderKey(strings.TrimSpace(name)); httpguts.ValidTrailerHeader(name) {
				a.trailers = append(a.trailers, name)
			}
		}
	}
}

// interim says something before the answer (RFC 9110 §15.2).
func (a *answer) interim(status int) {
	a.statusLine(status)
	for name, lines := range a.header {
		if name != "Content-Length" && name != "Transfer-Encoding" {
			a.lines(name, lines)
		}
	}
	a.out = append(a.out, "\r\n"...)
	a.send()
}

func (a *answer) statusLine(status int) {
	a.out = append(a.out, "HTTP/1.1 "...)
	a.out = strconv.AppendInt(a.out, int64(status), 10)
	a.out = append(a.out, ' ')
	if text := http.StatusText(status); text != "" {
		a.out = append(a.out, text...)
	} else {
		a.out = append(a.out, "status code "...)
		a.out = strconv.AppendInt(a.out, int64(status), 10)
	}
	a.out = append(a.out, "\r\n"...)
}

// lines writes the lines of one header. A name that is none is left out, and what would end
// a line becomes a space.
func (a *answer) lines(name string, values []string) {
	if !token(name) {
		return
	}
	for _, v := range values {
		a.out = append(a.out, name...)
		a.out = append(a.out, ": "...)
		a.out = append(a.out, tidy(v)...)
		a.out = append(a.out, "\r\n"...)
	}
}

// tidy is a header's value as it can be written. Most can stand as they are.
func tidy(v string) string {
	if v == "" || v[0] > ' ' && v[len(v)-1] > ' ' && strings.IndexByte(v, '\n') < 0 && strings.IndexByte(v, '\r') < 0 {
		return v
	}
	return oneLine.Replace(strings.Trim(v, " \t\r\n"))
}

var oneLine = strings.NewReplacer("\n", " ", "\r", " ")

// hasBody reports whether an answer with this status has a body (RFC 9110 §6.4.1).
func (a *answer) hasBody() bool {
	return a.status >= 200 && a.status != http.StatusNoContent && a.status != http.StatusNotModified
}

// frame ends the header. first is the beginning of the body, all of it if the handler is
// done.
func (a *answer) frame(first []byte, done bool) {
	a.framed = true
	if !a.typed && a.hasBody() && len(first) > 0 {
		a.lines("Content-Type", []string{http.DetectContentType(first)})
	}
	if !a.dated {
		a.out = append(a.out, a.today.line()...)
	}
	switch {
	case !a.hasBody():
	case a.length != unknown:
		a.contentLength(a.length)
	case done && !a.trailing && (!a.head || len(first) > 0):
		a.contentLength(int64(len(first)))
	case !a.head:
		a.chunked = true
		a.out = append(a.out, "Transfer-Encoding: chunked\r\n"...)
	}
	if a.close = a.close || a.leaving(); a.close {
		a.out = append(a.out, "Connection: close\r\n"...)
	}
	a.out = append(a.out, "\r\n"...)
}

func (a *answer) contentLength(n int64) {
	a.out = append(a.out, "Content-Length: "...)
	a.out = strconv.AppendInt(a.out, n, 10)
	a.out = append(a.out, "\r\n"...)
}

// Write implements http.ResponseWriter.
func (a *answer) Write(p []byte) (int, error) {
	if a.status == 0 {
		a.WriteHeader(http.StatusOK)
	}
	switch {
	case len(p) == 0:
		return 0, nil
	case !a.hasBody():
		return 0, http.ErrBodyNotAllowed
	}
	a.written += int64(len(p))
	if a.length != unknown && a.written > a.length {
		return 0, http.ErrContentLength
	}
	if !a.framed && a.length == unknown && len(a.held)+len(p) <= heldMost {
		a.held = append(a.held, p...)
		return len(p), nil
	}
	a.commit(p)
	if a.head {
		return len(p), a.err
	}
	a.body(p)
	return len(p), a.err
}

// commit ends the header, if that was not done yet, and puts behind it what was held back.
// next is what comes then.
func (a *answer) commit(next []byte) {
	if a.framed {
		return
	}
	first := a.held
	if len(first) == 0 {
		first = next
	}
	a.frame(first, false)
	if len(a.held) > 0 && !a.head {
		a.body(a.held)
	}
	a.held = a.held[:0]
}

// body puts a part of the body behind what is to go out.
func (a *answer) body(p []byte) {
	if len(a.out)+len(p) > outMost {
		a.send()
	}
	if a.chunked {
		a.out = strconv.AppendInt(a.out, int64(len(p)), 16)
		a.out = append(a.out, "\r\n"...)
	}
	if len(p) > outMost/2 && a.err == nil {
		a.send() // A large part is not copied.
		_, a.err = a.conn.Write(p)
	} else {
		a.out = append(a.out, p...)
	}
	if a.chunked {
		a.out = append(a.out, "\r\n"...)
	}
}

// send writes what was gathered.
func (a *answer) send() {
	if a.err == nil && len(a.out) > 0 {
		_, a.err = a.conn.Write(a.out)
	}
	a.out = a.out[:0]
}

// FlushError is for http.ResponseController.
func (a *answer) FlushError() error {
	if a.status == 0 {
		a.WriteHeader(http.StatusOK)
	}
	a.commit(nil)
	a.send()
	return a.err
}

// Flush implements http.Flusher.
func (a *answer) Flush() { _ = a.FlushError() }

// SetReadDeadline is for http.ResponseController.
func (a *answer) SetReadDeadline(t time.Time) error { return a.conn.SetReadDeadline(t) }

// SetWriteDeadline is for http.ResponseController.
func (a *answer) SetWriteDeadline(t time.Time) error { return a.conn.SetWriteDeadline(t) }

// ReadFrom implements io.ReaderFrom: files go out without a copy where the system can.
func (a *answer) ReadFrom(r io.Reader) (int64, error) {
	if a.status == 0 {
		a.WriteHeader(http.StatusOK)
	}
	if a.length == unknown || a.head || !a.hasBody() {
		return io.Copy(struct{ io.Writer }{a}, r)
	}
	a.commit(nil)
	a.send()
	if a.err != nil {
		return 0, a.err
	}
	n, err := a.conn.ReadFrom(io.LimitReader(r, a.length-a.written))
	a.written += n
	a.err = err
	return n, err
}

// finish ends the answer and reports whether the connection is good for another request.
func (a *answer) finish() bool {
	if a.status == 0 {
		a.WriteHeader(http.StatusOK)
	}
	if !a.framed {
		a.frame(a.held, true)
		if !a.head {
			if a.chunked && len(a.held) > 0 {
				a.body(a.held)
			} else {
				a.out = append(a.out, a.held...)
			}
		}
	}
	if a.chunked {
		a.out = append(a.out, "0\r\n"...)
		a.lateLines()
		a.out = append(a.out, "\r\n"...)
	}
	a.send()
	cut := a.length != unknown && a.hasBody() && !a.head && a.written != a.length
	_ = a.conn.SetWriteDeadline(time.Time{}) // one of the handler's own was for this answer
	return a.err == nil && !a.close && !cut
}

// lateLines writes the trailers (RFC 9112 §7.1.2).
func (a *answer) lateLines() {
	for name, lines := range a.header {
		if late, ok := strings.CutPrefix(name, http.TrailerPrefix); ok {
			a.lines(late, lines)
		}
	}
	for _, name := range a.trailers {
		a.lines(name, a.header[name])
	}
}
