package framing

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/iotest"
)

// pipe is a connection that somebody has written into and closed.
type pipe struct {
	net.Conn
	io.Reader
}

func (p pipe) Read(b []byte) (int, error) { return p.Reader.Read(b) }

// counted counts what the server has taken.
type counted struct {
	io.Reader
	n int
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.Reader.Read(b)
	c.n += n
	return n, err
}

// ends returns where the scanner sees each message end.
func ends(data []byte) (all []int) {
	var s scanner
	for i := range data {
		before := s.state
		if s.next(data[i:i+1]) == 0 {
			return all
		}
		if s.state == requestLine && before != requestLine {
			all = append(all, i+1)
		}
	}
	return all
}

// Package net/http sees each message end where the scanner does, however the bytes come.
// Behind a body that it cannot read there is nothing that it could take for a request: it
// would.
func FuzzTheServerReadsTheSameMessages(f *testing.F) {
	for _, m := range messages {
		f.Add([]byte(m.text), false)
		f.Add([]byte("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx\r\n"+m.text+"GET /y HTTP/1.1\r\nHost: a\r\n\r\n"), true)
	}
	f.Fuzz(func(t *testing.T, data []byte, slowly bool) {
		var from io.Reader = bytes.NewReader(data)
		if slowly {
			from = iotest.OneByteReader(from)
		}
		in := &counted{Reader: &Conn{Conn: pipe{Reader: from}}}
		r, want := bufio.NewReader(in), ends(data)
		post := false
		for i := 0; ; i++ {
			if post { // as the server does, for clients of the last century
				for range 4 {
					if next, _ := r.Peek(1); bytes.ContainsAny(next, "\r\n") {
						_, _ = r.Discard(1)
					}
				}
			}
			req, err := http.ReadRequest(r)
			if err != nil || req.ProtoMajor != 1 {
				return // the server answers and closes
			}
			post = req.Method == http.MethodPost
			if _, err = io.Copy(io.Discard, req.Body); err != nil {
				if more, err := http.ReadRequest(r); err == nil {
					t.Fatalf("behind a broken body the server reads %s %s", more.Method, more.RequestURI)
				}
				return
			}
			if end := in.n - r.Buffered(); i >= len(want) || want[i] != end {
				t.Fatalf("the server sees message %d end at %d, the scanner all at %d", i, end, want)
			}
		}
	})
}
