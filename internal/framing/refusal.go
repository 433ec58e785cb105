package framing

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Refusal is a request that nobody can read, so that no handler sees it.
type Refusal struct {
	Status int    // of the answer: 400, 417, 431, 501 or 505
	Reason string // what is wrong, in a sentence; empty: nobody knows
}

// ownWords is what the server writes behind the status line of an answer that no handler
// gave, and never behind another: those have a Date.
const ownWords = "\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n"

// refusal reports whether the server's first words to a request are its own refusal.
func (c *Conn) refusal(p []byte) (Refusal, bool) {
	line, _, ok := bytes.Cut(p, []byte(ownWords))
	said, http1 := bytes.CutPrefix(line, []byte("HTTP/1.1 "))
	if !ok || !http1 || c.answer == nil || bytes.IndexByte(line, '\n') >= 0 {
		return Refusal{}, false
	}
	code, text, _ := strings.Cut(string(said), " ")
	status, err := strconv.Atoi(code)
	if err != nil {
		return Refusal{}, false
	}
	r := Refusal{status, reasonOf(status)}
	if _, why, ok := strings.Cut(text, ": "); ok {
		r.Reason = "The request cannot be read: " + why + "."
	}
	if status == http.StatusBadRequest && c.spoilt && len(c.left) == 0 {
		r.Status, r.Reason = c.scanner.refused, reasonOf(c.scanner.refused)
		if r.Status == http.StatusBadRequest {
			r.Reason = "The request can be read in two ways."
		}
	}
	return r, true
}

func reasonOf(status int) string {
	switch status {
	case http.StatusExpectationFailed:
		return "The request expects what this server does not know."
	case http.StatusRequestHeaderFieldsTooLarge:
		return "The request's header is too large."
	case http.StatusNotImplemented:
		return "The request has a transfer coding that this server does not know."
	}
	return "The request cannot be read."
}

const (
	lingerFor  = 500 * time.Millisecond
	lingerMost = 256 << 10 // bytes
)

// refuse writes an answer and reads what still comes for a while. To close with bytes
// unread resets the connection, and the reset overtakes the answer (RFC 9112 §9.6).
func refuse(c net.Conn, answer []byte) error {
	raw := c
	if own, ok := c.(*Conn); ok {
		raw = own.Conn
	}
	if err := c.SetWriteDeadline(time.Now().Add(lingerFor)); err != nil {
		return err
	}
	if _, err := raw.Write(answer); err != nil {
		return err
	}
	half, ok := raw.(interface{ CloseWrite() error })
	if ok && half.CloseWrite() == nil && raw.SetReadDeadline(time.Now().Add(lingerFor)) == nil {
		_, _ = io.CopyN(io.Discard, raw, lingerMost) // Nobody is left to tell.
	}
	return nil
}

// plainHTTP reports whether a handshake failed since the client speaks HTTP without TLS.
func plainHTTP(err error) bool {
	e, ok := errors.AsType[tls.RecordHeaderError](err)
	if !ok || e.Conn == nil {
		return false
	}
	switch string(e.RecordHeader[:]) {
	case "GET /", "HEAD ", "POST ", "PUT /", "PATCH", "DELET", "OPTIO":
		return true
	}
	return false
}
