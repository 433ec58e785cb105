//go:build e2e

package e2e

import (
	"bufio"
	"bytes"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"
)

const gibibyte = 1 << 30

// block is a part of a large body; no two parts of it are alike.
func block() []byte {
	b := make([]byte, 1<<20)
	for i := range b {
		b[i] = byte(i * 2654435761 >> 13)
	}
	return b
}

// checksum reads a large body and says what it was.
func checksum(r io.Reader) string {
	sum := crc32.New(crc32.MakeTable(crc32.Castagnoli))
	n, err := io.Copy(sum, r)
	return fmt.Sprintf("%d bytes, %x, %v", n, sum.Sum32(), err)
}

// large is a body of that size.
func large(size int64) io.Reader {
	return io.LimitReader(&endless{of: block()}, size)
}

type endless struct {
	of []byte
	at int
}

func (e *endless) Read(p []byte) (int, error) {
	n := copy(p, e.of[e.at:])
	e.at = (e.at + n) % len(e.of)
	return n, nil
}

// startBulk starts an upstream of large bodies, long streams and short parts.
func startBulk(t *testing.T) (address string) {
	t.Helper()
	file := block()
	mux := http.NewServeMux()
	mux.HandleFunc("POST /bulk/up", func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, checksum(r.Body)) })
	mux.HandleFunc("GET /bulk/down", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(gibibyte))
		_, _ = io.Copy(w, large(gibibyte))
	})
	mux.HandleFunc("GET /bulk/file", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Etag", `"1"`)
		w.Header().Set("Content-Type", "application/octet-stream")
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(file))
	})
	mux.HandleFunc("GET /bulk/socket", echoSocket)
	mux.HandleFunc("GET /bulk/ticks", ticks)
	mux.HandleFunc("POST /bulk/refuse", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) })
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}

// echoSocket answers each message of a WebSocket with the same one.
func echoSocket(w http.ResponseWriter, r *http.Request) {
	c, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer c.Close()
	_, _ = fmt.Fprintf(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: %s\r\n\r\n", acceptKey(r.Header.Get("Sec-Websocket-Key")))
	for {
		text, err := readFrame(buffered)
		if err != nil {
			return
		}
		if _, err := c.Write(textFrame(text, false)); err != nil {
			return
		}
	}
}

// textFrame is a message in one frame (RFC 6455 §5.2), masked with zeros as far as a client's.
func textFrame(text []byte, masked bool) []byte {
	frame := []byte{0x81, 126, byte(len(text) >> 8), byte(len(text))}
	if masked {
		frame[1] |= 0x80
		frame = append(frame, 0, 0, 0, 0)
	}
	return append(frame, text...)
}

func readFrame(r io.Reader) ([]byte, error) {
	head := make([]byte, 4)
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, err
	}
	n := int(head[2])<<8 | int(head[3])
	if head[0] != 0x81 || head[1]&0x7f != 126 {
		return nil, fmt.Errorf("% x begins no frame of ours", head)
	}
	if head[1]&0x80 != 0 {
		if _, err := io.CopyN(io.Discard, r, 4); err != nil {
			return nil, err
		}
	}
	text := make([]byte, n)
	_, err := io.ReadFull(r, text)
	return text, err
}

// ticks is an event stream that counts.
func ticks(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for n := 0; ; n++ {
		_, _ = fmt.Fprintf(w, "id: %d\ndata: tick\n\n", n)
		_ = http.NewResponseController(w).Flush()
		select {
		case <-tick.C:
		case <-r.Context().Done():
			return
		}
	}
}

// launchBulk starts a gateway before that upstream, with room for a gibibyte.
func launchBulk(t *testing.T, scenario string) (f *fleet, ticket string) {
	t.Helper()
	f = launch(t, setting{
		scenario: scenario, bolt: true, log: "info",
		routes: fmt.Sprintf("  - {path: /bulk/, upstream: %q, max_body: 2GiB}", startBulk(t)),
	})
	return f, f.signIn("user00")
}

// dial connects to the first replica and sends the head of a request.
func (f *fleet) dial(ticket, method, path string, lines ...string) (net.Conn, *bufio.Reader) {
	f.t.Helper()
	c, err := (&net.Dialer{}).DialContext(f.t.Context(), "tcp", port127(f.replicas[0].url))
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(2 * time.Minute))
	_, _ = fmt.Fprintf(c, "%s %s HTTP/1.1\r\nHost: %s\r\nOrigin: %s\r\nSec-Fetch-Site: same-origin\r\nCookie: cloakroom=%s\r\n%s\r\n\r\n",
		method, path, strings.TrimPrefix(f.url, "http://"), f.url, ticket, strings.Join(lines, "\r\n"))
	return c, bufio.NewReader(c)
}

func TestAGibibyteGoesThroughInConstantMemory(t *testing.T) {
	t.Parallel()
	const room = 24 << 20
	f, ticket := launchBulk(t, "1 GiB up and down")
	want := checksum(large(gibibyte))
	if a := f.get(t.Context(), ticket, "/bulk/file"); a.status != http.StatusOK {
		t.Fatal(a, a.err)
	}
	before := f.replicas[0].peak()
	for name, body := range map[string]io.Reader{"of known length": large(gibibyte), "of unknown length": io.MultiReader(large(gibibyte))} {
		began := time.Now()
		a := f.deliver(t.Context(), ticket, "/bulk/up", body)
		if a.status != http.StatusOK || a.body != want {
			t.Errorf("an upload %s: %v %s, want %s", name, a, a.body, want)
		}
		t.Logf("an upload %s took %v", name, time.Since(began))
	}
	began := time.Now()
	if got := f.download(ticket, "/bulk/down"); got != want {
		t.Errorf("the download had %s, want %s", got, want)
	}
	after := f.replicas[0].peak()
	f.remark = fmt.Sprintf("download in %v; memory at most %d MiB before, %d MiB after", time.Since(began).Round(10*time.Millisecond), before>>20, after>>20)
	t.Log(f.remark)
	if after-before > room {
		t.Errorf("the memory grew by %d MiB", (after-before)>>20)
	}
}

// download reads a large body without keeping it.
func (f *fleet) download(ticket, path string) string {
	f.t.Helper()
	_, r := f.dial(ticket, http.MethodGet, path)
	res, err := http.ReadResponse(r, nil)
	if err != nil {
		f.t.Fatal(err)
	}
	if res.StatusCode != http.StatusOK {
		f.t.Fatal(res.Status)
	}
	return checksum(res.Body)
}

func TestTenThousandMessagesOfAWebSocketComeBackInOrder(t *testing.T) {
	t.Parallel()
	const messages = 10_000
	f, ticket := launchBulk(t, "10,000 WebSocket messages")
	c, r := f.dial(ticket, http.MethodGet, "/bulk/socket", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
	res, err := http.ReadResponse(r, nil)
	if err != nil || res.StatusCode != http.StatusSwitchingProtocols || res.Header.Get("Sec-Websocket-Accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
		t.Fatal(res, err)
	}
	text := func(n int) []byte { return fmt.Appendf(nil, "%d %s", n, strings.Repeat("x", n%3000)) }
	go func() {
		for n := range messages {
			if _, err := c.Write(textFrame(text(n), true)); err != nil {
				return
			}
		}
	}()
	began := time.Now()
	for n := range messages {
		got, err := readFrame(r)
		if err != nil || !bytes.Equal(got, text(n)) {
			t.Fatalf("message %d came back as %.20q, %v", n, got, err)
		}
	}
	f.remark = fmt.Sprintf("in %v", time.Since(began).Round(time.Millisecond))
}

// The stream goes on without a gap while the token behind it is refreshed.
func TestAnEventStreamGoesOnOverRefreshes(t *testing.T) {
	t.Parallel()
	f, ticket := launchBulk(t, "an event stream over refreshes")
	f.tokensLast(time.Second)
	if a := f.ask(t.Context(), f.replicas[0], ticket, http.MethodPost, "/bff/refresh"); a.status != http.StatusOK {
		t.Fatal(a, a.err)
	}
	before := f.provider.Stats().Refreshes
	_, r := f.dial(ticket, http.MethodGet, "/bulk/ticks", "Accept: text/event-stream")
	res, err := http.ReadResponse(r, nil)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatal(res, err)
	}
	lines, next := bufio.NewScanner(res.Body), 0
	for f.provider.Stats().Refreshes < before+4 && next < 1000 && lines.Scan() {
		if id, ok := strings.CutPrefix(lines.Text(), "id: "); ok {
			if id != strconv.Itoa(next) {
				t.Fatalf("event %s after %d", id, next-1)
			}
			next++
		}
	}
	if refreshes := f.provider.Stats().Refreshes - before; refreshes < 4 || next < 40 {
		t.Errorf("%d events over %d refreshes, %v", next, refreshes, lines.Err())
	}
}

func TestRangesAreTheUpstreamsBusiness(t *testing.T) {
	t.Parallel()
	f, ticket := launchBulk(t, "ranges")
	whole := block()
	for _, row := range []struct {
		header, value string
		status        int
		body          []byte
	}{
		{"Range", "bytes=0-9", http.StatusPartialContent, whole[:10]},
		{"Range", "bytes=1000000-", http.StatusPartialContent, whole[1_000_000:]},
		{"Range", "bytes=-5", http.StatusPartialContent, whole[len(whole)-5:]},
		{"Range", "bytes=9999999-", http.StatusRequestedRangeNotSatisfiable, nil},
		{"If-None-Match", `"1"`, http.StatusNotModified, nil},
		{"Accept", "*/*", http.StatusOK, whole},
	} {
		a := f.get(t.Context(), ticket, "/bulk/file", row.header, row.value)
		if a.status != row.status || row.body != nil && a.body != string(row.body) || a.header.Get("Cloakroom-Error") != "" {
			t.Errorf("%s: %s: %v, %d bytes", row.header, row.value, a, len(a.body))
		}
		if row.status == http.StatusPartialContent && !strings.HasSuffix(a.header.Get("Content-Range"), fmt.Sprintf("/%d", len(whole))) {
			t.Errorf("%s: Content-Range is %q", row.value, a.header.Get("Content-Range"))
		}
	}
	a := f.get(t.Context(), ticket, "/bulk/file", "Range", "bytes=0-1,5-6")
	if a.status != http.StatusPartialContent || !strings.HasPrefix(a.header.Get("Content-Type"), "multipart/byteranges") {
		t.Errorf("two ranges: %v %v", a, a.header)
	}
}

// Nobody asks a client for a body that the upstream does not want.
func TestTheUpstreamDecidesOnA100Continue(t *testing.T) {
	t.Parallel()
	f, ticket := launchBulk(t, "100-continue")
	head := []string{"Content-Length: 5", "Expect: 100-continue"}
	_, r := f.dial(ticket, http.MethodPost, "/bulk/refuse", head...)
	if res, err := http.ReadResponse(r, nil); err != nil || res.StatusCode != http.StatusForbidden {
		t.Error("an upstream that refuses:", res, err)
	}
	c, r := f.dial(ticket, http.MethodPost, "/bulk/up", head...)
	if res, err := http.ReadResponse(r, nil); err != nil || res.StatusCode != http.StatusContinue {
		t.Fatal("an upstream that reads:", res, err)
	}
	_, _ = io.WriteString(c, "hello")
	res, err := http.ReadResponse(r, nil)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatal(res, err)
	}
	if got, want := readText(t, res.Body), checksum(strings.NewReader("hello")); got != want {
		t.Errorf("the upstream got %s, want %s", got, want)
	}
}

func readText(t *testing.T, r io.Reader) string {
	t.Helper()
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
