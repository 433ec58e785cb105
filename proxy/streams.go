package proxy

import (
	"io"
	"net/http"
	"strings"
)

// A WebSocket or an event stream outlives the check at its beginning. So each one that
// belongs to a session has a watcher, which cuts it when the session ends. Ordinary
// answers have none: they are over before it matters.

// isWebSocket reports whether a request is a WebSocket handshake (RFC 6455 §4.1). The
// tokens of Connection come in any order and company.
func isWebSocket(r *http.Request) bool {
	if r.Method != http.MethodGet || !strings.EqualFold(one(r.Header, "Upgrade"), "websocket") {
		return false
	}
	for _, token := range list(r.Header["Connection"]) {
		if strings.EqualFold(token, "upgrade") {
			return true
		}
	}
	return false
}

// isStream reports whether an answer may go on for as long as the client likes.
func isStream(res *http.Response) bool {
	if res.StatusCode == http.StatusSwitchingProtocols {
		return true
	}
	media, _, _ := strings.Cut(res.Header.Get("Content-Type"), ";")
	return strings.EqualFold(strings.TrimSpace(media), "text/event-stream")
}

// watch cuts the stream when the session ends. The watcher is the exchange's: endStream
// stops it.
func (x *exchange) watch(res *http.Response) {
	x.over = make(chan struct{})
	go func(done, over <-chan struct{}, upstream io.Closer) {
		select {
		case <-done:
			// Whoever copies from it finds it closed and gives up the client's side.
			_ = upstream.Close()
		case <-over:
		}
	}(x.who.Done(), x.over, res.Body)
}

// endStream lets the watcher go, if there is one.
func (x *exchange) endStream() {
	if x.over != nil {
		close(x.over)
	}
}
