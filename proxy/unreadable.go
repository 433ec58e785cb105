package proxy

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
)

// Unreadable is the answer to a request that the server could not read, so that no handler
// saw it: a problem like all others, as HTTP/1.1 writes it, and the last on its connection.
// Status is what the server would have answered by itself; detail says why.
func (g *Gateway) Unreadable(status int, detail string) []byte {
	p := &Problem{Code: BadRequest, Detail: detail}
	if status == http.StatusRequestHeaderFieldsTooLarge {
		p.Code = HeaderTooLarge
	}
	h := http.Header{}
	g.ownHeaders(h)
	h.Set("Cloakroom-Error", string(p.Code))
	h.Set("Content-Type", "application/problem+json")
	text, _ := json.Marshal(body(p, status)) // strings and a number: there is no error
	var whole bytes.Buffer
	res := http.Response{
		StatusCode: status, ProtoMajor: 1, ProtoMinor: 1, Header: h, Close: true,
		Body: io.NopCloser(bytes.NewReader(text)), ContentLength: int64(len(text)),
	}
	_ = res.Write(&whole) // into memory
	return whole.Bytes()
}
