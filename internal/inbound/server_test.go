package inbound

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

const plainGet = "GET /x HTTP/1.1\r\nHost: a\r\n\r\n"

// echo answers with what it has understood.
func echo(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	_, _ = io.WriteString(w, r.Method+" "+r.URL.Path+" "+string(body))
}

func wantsAnswer(t *testing.T, g *guest, method, text string) {
	t.Helper()
	if got := g.hear(method); got.Body != text || got.Err != "" {
		t.Fatalf("%+v, not %q", got, text)
	}
}

func TestAConnectionGoesOnWithTheLibraryWhereTheLoopEnds(t *testing.T) {
	for name, text := range map[string]string{
		"a body":           "POST /y HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi",
		"chunks":           "POST /y HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
		"a header in two":  "",
		"a longer header":  "POST /y HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", 3*readBuffer) + "\r\nContent-Length: 2\r\n\r\nhi",
		"two at once":      "POST /y HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi" + plainGet,
		"a body in pieces": "",
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, http.HandlerFunc(echo))
			g := visit(t, s.addr)
			for range 3 {
				g.say(t, plainGet)
				wantsAnswer(t, g, "GET", "GET /x ")
			}
			switch name {
			case "a header in two":
				g.say(t, "POST /y HTTP/1.1\r\nHos")
				g.say(t, "t: a\r\nContent-Length: 2\r\n\r\nhi")
			case "a body in pieces":
				g.say(t, "POST /y HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nh")
				g.say(t, "i")
			default:
				g.say(t, text)
			}
			wantsAnswer(t, g, "POST", "POST /y hi")
			if name != "two at once" {
				g.say(t, plainGet)
			}
			wantsAnswer(t, g, "GET", "GET /x ")
			if n := s.looped.Load(); n != 3 {
				t.Errorf("the loop answered %d", n)
			}
		})
	}
}

// What no message may have is refused as ever, behind the answers to what came before.
func TestWhatHasTwoReadingsIsNoneOfTheLoops(t *testing.T) {
	for _, text := range []string{
		"GET /x HTTP/1.1\r\nHost: a\r\nX: 1\r\n folded\r\n\r\n",
		"GET /x HTTP/1.1\nHost: a\n\n",
		"GET /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
		"GET /x HTTP/1.1\r\n\r\n",
		"GET /x HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
	} {
		s := serve(t, http.HandlerFunc(echo))
		g := visit(t, s.addr)
		g.say(t, plainGet)
		wantsAnswer(t, g, "GET", "GET /x ")
		g.say(t, text)
		if got := g.hear("GET"); !strings.HasPrefix(got.Status, "400 ") || !got.Close || s.looped.Load() != 1 {
			t.Errorf("%q: %+v", text, got)
		}
	}
}

func TestARequestEndsWithItsHandlerAndItsClient(t *testing.T) {
	ctxs := make(chan context.Context, 1)
	s := serve(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		ctxs <- r.Context()
		if r.URL.Path == "/wait" {
			<-r.Context().Done()
		}
	}))
	g := visit(t, s.addr)
	g.say(t, plainGet)
	_ = g.hear("GET")
	<-(<-ctxs).Done()
	g.say(t, "GET /wait HTTP/1.1\r\nHost: a\r\n\r\n")
	ctx := <-ctxs
	_ = g.Close()
	<-ctx.Done()
}

// An event stream, or a call that waits for a refresh, lasts longer than a client may take to
// send a header.
func TestAClientThatWaitsIsNotTakenForOneThatIsSilent(t *testing.T) {
	const silence = 100 * time.Millisecond
	s := serveWithin(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answered := time.NewTimer(3 * silence)
		defer answered.Stop()
		select {
		case <-answered.C:
			_, _ = io.WriteString(w, "at last")
		case <-r.Context().Done():
			_, _ = io.WriteString(w, "cut off")
		}
	}), silence, silence)
	g := visit(t, s.addr)
	for range 2 { // the first on a connection, and one that comes later
		g.say(t, plainGet)
		wantsAnswer(t, g, "GET", "at last")
	}
	if s.looped.Load() == 0 {
		t.Error("the loop answered none")
	}
}

func TestAShutdownClosesIdleConnectionsAndWaitsForTheOthers(t *testing.T) {
	began, goOn := make(chan struct{}), make(chan struct{})
	s := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			close(began)
			<-goOn
		}
		echo(w, r)
	}))
	idle, slow := visit(t, s.addr), visit(t, s.addr)
	idle.say(t, plainGet)
	wantsAnswer(t, idle, "GET", "GET /x ")
	slow.say(t, "GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
	<-began

	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := s.server.Shutdown(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v while a request is under way", err)
	}
	if _, err := idle.from.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("an idle connection: %v", err)
	}
	done := make(chan error, 1)
	go func() { done <- s.server.Shutdown(t.Context()) }()
	close(goOn)
	if got := slow.hear("GET"); got.Body != "GET /slow " || !got.Close {
		t.Errorf("%+v", got)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if n := s.open.Load(); n != 0 {
		t.Errorf("%d connections are counted", n)
	}
	if err := s.server.Serve(listen(t)); !errors.Is(err, http.ErrServerClosed) {
		t.Errorf("%v", err)
	}
}

// A process that is told to stop while it starts must not keep its port.
func TestAListenerThatComesAfterTheShutdownIsClosed(t *testing.T) {
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{Server: &http.Server{Handler: http.HandlerFunc(echo), ReadHeaderTimeout: time.Second}}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		t.Errorf("got %v", err)
	}
	if err := l.Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the listener was open: %v", err)
	}
}

func TestConnectionsAreCountedOnceWhoeverServesThem(t *testing.T) {
	s := serve(t, http.HandlerFunc(echo))
	one, other := visit(t, s.addr), visit(t, s.addr)
	one.say(t, plainGet)
	wantsAnswer(t, one, "GET", "GET /x ")
	other.say(t, "POST /y HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
	wantsAnswer(t, other, "POST", "POST /y ")
	if n := s.open.Load(); n != 2 {
		t.Errorf("%d are open", n)
	}
	one.say(t, "GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
	wantsAnswer(t, one, "GET", "GET /x ")
	_ = other.Close()
	for s.open.Load() != 0 {
		<-s.moved
	}
}

func TestAPanicEndsOneConnection(t *testing.T) {
	s := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/panic" {
			panic("boom")
		}
		echo(w, r)
	}))
	g, other := visit(t, s.addr), visit(t, s.addr)
	g.say(t, "GET /panic HTTP/1.1\r\nHost: a\r\n\r\n")
	if got := g.hear("GET"); got.Err == "" {
		t.Errorf("%+v", got)
	}
	other.say(t, plainGet)
	wantsAnswer(t, other, "GET", "GET /x ")
}

func TestAnAnswerWithANonsenseLengthGetsATrueOne(t *testing.T) {
	s := serve(t, with(http.Header{"Content-Length": {"many"}}, "hello"))
	g := visit(t, s.addr)
	g.say(t, plainGet)
	if got := g.hear("GET"); got.Length != 5 || got.Body != "hello" {
		t.Errorf("%+v", got)
	}
}
