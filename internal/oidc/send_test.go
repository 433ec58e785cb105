package oidc_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/devidp"
	"github.com/cloakroom-bff/cloakroom/internal/oidc"
	"github.com/cloakroom-bff/cloakroom/session"
)

func TestABombIsNotUnpacked(t *testing.T) {
	t.Parallel()
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	if _, err := io.WriteString(z, `{"access_token":"`+strings.Repeat("a", 4<<20)+`","token_type":"Bearer"}`); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	c := desk(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		answerWith(t, w, http.StatusOK, bomb.String())
	})
	_, err := c.Refresh(t.Context(), grantOf(c), session.Target{})
	if failureOf(t, err).Class != session.Unknown {
		t.Error(err)
	}
}

func TestARedirectIsNotFollowedWithTheRefreshToken(t *testing.T) {
	t.Parallel()
	evil := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the refresh token went elsewhere") }))
	t.Cleanup(evil.Close)
	for _, status := range []int{301, 302, 303, 307, 308} {
		c := desk(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, evil.URL, status) })
		_, err := c.Refresh(t.Context(), grantOf(c), session.Target{})
		if failed := failureOf(t, err); failed.Class != session.Transient || !strings.Contains(failed.Error(), strings.TrimPrefix(evil.URL, "http://")) {
			t.Errorf("%d: %v", status, err)
		}
	}
}

func TestARequestThatNobodyReadIsTransient(t *testing.T) {
	t.Parallel()
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := "http://" + gone.Addr().String()
	if err := gone.Close(); err != nil {
		t.Fatal(err)
	}
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	silence(secure.Config)
	t.Cleanup(secure.Close)
	for name, token := range map[string]string{"nobody listens": address, "an unknown certificate": secure.URL, "no such host": "https://cloakroom.invalid/token"} {
		c := desk(t, http.NotFound, func(cfg *oidc.Config) { cfg.Endpoints.Token = token })
		_, err := c.Refresh(t.Context(), grantOf(c), session.Target{})
		if failureOf(t, err).Class != session.Transient {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAnAnswerThatNeverComesWholeIsUnknown(t *testing.T) {
	t.Parallel()
	for name, handler := range map[string]http.HandlerFunc{
		"a reset": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"a hang": func(_ http.ResponseWriter, r *http.Request) {
			if _, err := io.Copy(io.Discard, r.Body); err == nil {
				<-r.Context().Done()
			}
		},
		"a body that breaks off": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Length", "1000")
			if _, err := io.WriteString(w, `{"access_token":"a","tok`); err != nil {
				t.Error(err)
			}
		},
		"a body that drips": func(w http.ResponseWriter, r *http.Request) {
			if _, err := io.Copy(io.Discard, r.Body); err != nil {
				t.Error(err)
			}
			if err := http.NewResponseController(w).Flush(); err != nil {
				t.Error(err)
			}
			<-r.Context().Done()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var calls atomic.Int32
			c := desk(t, func(w http.ResponseWriter, r *http.Request) {
				calls.Add(1)
				handler(w, r)
			}, func(cfg *oidc.Config) { cfg.Timeout = 200 * time.Millisecond })
			_, err := c.Refresh(t.Context(), grantOf(c), session.Target{})
			if failureOf(t, err).Class != session.Unknown {
				t.Error(err)
			}
			if n := calls.Load(); n != 1 {
				t.Errorf("the refresh token was presented %d times", n)
			}
		})
	}
}

func TestALostAnswerIsPresentedOnceByUs(t *testing.T) {
	t.Parallel()
	b := setUp(t, devidp.Knobs{})
	g := b.login()
	b.idp.Adjust(func(k *devidp.Knobs) { k.Timing.Mode = devidp.CommitThenDrop })
	_, err := b.Refresh(t.Context(), g, session.Target{})
	if failureOf(t, err).Class != session.Unknown {
		t.Error(err)
	}
	if n := b.idp.Presentations(g.RefreshToken.Reveal()); n != 1 {
		t.Errorf("presented %d times", n)
	}
}

// A pooled connection that died is found out when the next request is written to it. The
// provider has seen no whole form then, and the user must not hear of it.
func TestAConnectionThatDiedInThePoolHurtsNobody(t *testing.T) {
	t.Parallel()
	for writes, name := range []string{"before the header", "before the form"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var calls, dials atomic.Int32
			var pooled atomic.Pointer[dying]
			c := desk(t, func(w http.ResponseWriter, r *http.Request) {
				if r.ParseForm() != nil {
					return // torn
				}
				calls.Add(1)
				answerWith(t, w, http.StatusOK, `{"access_token":"a","token_type":"Bearer"}`)
			}, func(cfg *oidc.Config) {
				cfg.Transport = &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
					dials.Add(1)
					conn, err := new(net.Dialer).DialContext(ctx, network, address)
					d := &dying{Conn: conn, left: 1 << 20}
					pooled.Store(d)
					return d, err
				}}
			})
			for n := range int32(3) {
				if _, err := c.Refresh(t.Context(), grantOf(c), session.Target{}); err != nil {
					t.Fatalf("refresh %d: %v", n, err)
				}
				if calls.Load() != n+1 || dials.Load() != n+1 {
					t.Fatalf("%d presentations over %d connections after %d refreshes", calls.Load(), dials.Load(), n+1)
				}
				pooled.Load().dieAfter(writes)
			}
		})
	}
}

// dying is a connection that fails after so many writes, which no reader notices.
type dying struct {
	net.Conn
	mu   sync.Mutex
	left int
}

func (d *dying) dieAfter(writes int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.left = writes
}

func (d *dying) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.left--; d.left < 0 {
		return 0, errors.New("broken pipe")
	}
	return d.Conn.Write(p)
}

func TestOurTransportSpeaksHTTP1(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 1 {
			t.Errorf("it speaks %s, of which parts are repeated", r.Proto)
		}
		answerWith(t, w, http.StatusOK, `{"access_token":"a","token_type":"Bearer"}`)
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	c := desk(t, http.NotFound, func(cfg *oidc.Config) {
		cfg.Endpoints.Token, cfg.Transport = server.URL, server.Client().Transport
	})
	if _, err := c.Refresh(t.Context(), grantOf(c), session.Target{}); err != nil {
		t.Error(err)
	}
}

func TestACallerThatLeavesEndsTheCall(t *testing.T) {
	t.Parallel()
	b := setUp(t, devidp.Knobs{})
	g := b.login()
	held := b.idp.Hold(devidp.TokenEndpoint)
	ctx, leave := context.WithCancel(t.Context())
	go func() {
		<-held.Arrived()
		leave()
	}()
	_, err := b.Refresh(ctx, g, session.Target{})
	if failureOf(t, err).Class != session.Unknown {
		t.Error(err)
	}
	held.Release()
}
