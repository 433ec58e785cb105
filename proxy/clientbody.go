package proxy

import (
	"errors"
	"io"
	"net/http"
	"os"
	"sync"
	"time"
)

const (
	// bodyPause is how long a client may pause within a body that nobody has answered yet.
	bodyPause = time.Minute
	// bodyRest is how long the rest of a body may take that nobody needs, and restMost how
	// many bytes of it are read.
	bodyRest = 5 * time.Second
	restMost = 64 << 20
)

// clientBody is a request's body as it comes from the client.
//
// The attack: announce a body, and send a byte now and then. Each such request would hold a
// goroutine and a connection to the upstream for ever. So a client that pauses for too long
// is cut off, until the upstream has begun to answer: from then on the two may talk as
// slowly as they like.
type clientBody struct {
	io.ReadCloser
	rc     *http.ResponseController
	duplex bool // the server leaves the body alone while the answer is written
	waits  bool // the client waits for the word to send it (RFC 9110 §10.1.1)

	mu    sync.Mutex
	given time.Time // guarded by mu: when the client was last given time
	begun bool      // guarded by mu: somebody has read
	calm  bool      // guarded by mu: nobody counts
	ended bool      // guarded by mu: it was read to its end, or broke
	late  bool      // guarded by mu: it broke since the client paused
}

func newClientBody(w http.ResponseWriter, r *http.Request) *clientBody {
	b := &clientBody{ReadCloser: r.Body, rc: http.NewResponseController(w), waits: r.Header["Expect"] != nil}
	b.wait()
	return b
}

// Read implements io.Reader.
func (b *clientBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	b.begun = true
	b.mu.Unlock()
	b.wait()
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		b.mu.Lock()
		b.ended = true
		b.late = b.late || errors.Is(err, os.ErrDeadlineExceeded)
		b.mu.Unlock()
	}
	return n, err
}

// wait gives the client time for its next bytes. A deadline is moved once in a second.
func (b *clientBody) wait() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if now := time.Now(); !b.calm && !b.ended && now.Sub(b.given) > time.Second {
		b.given = now
		_ = b.rc.SetReadDeadline(now.Add(bodyPause)) // where there is none, the connection is no network's
	}
}

// answered says that the upstream answers: nobody counts any more.
func (b *clientBody) answered() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.calm = true; !b.ended {
		_ = b.rc.SetReadDeadline(time.Time{})
	}
}

// paused reports whether the body broke since the client paused for too long.
func (b *clientBody) paused() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.late
}

// settle is for the end of the exchange. What is still to come of the body has little time.
// In a full duplex the server would look for it only when it believes that nobody reads any
// more, and would stumble over itself; or take what is late for the next request. So it is
// read here, and an error means that the connection must not go on.
func (b *clientBody) settle() error {
	if !b.hurry() || !b.duplex {
		return nil
	}
	_ = b.rc.Flush() // The answer does not wait.
	return b.Close()
}

// hurry gives what is still to come little time, and reports whether anything is.
func (b *clientBody) hurry() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calm = true
	if b.ended || b.waits && !b.begun {
		return false
	}
	_ = b.rc.SetReadDeadline(time.Now().Add(bodyRest))
	return true
}

// linger reads what a client still sends of a body that was refused. To close with bytes
// unread resets the connection, and the reset overtakes the answer: the client would hear
// of a broken connection and try again, instead of reading why (RFC 9112 §9.6).
func (b *clientBody) linger() {
	if b.rc.Flush() == nil && b.hurry() {
		_, _ = io.CopyN(io.Discard, b, restMost) // Nobody is left to tell.
	}
}
