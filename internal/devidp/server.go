package devidp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Server is a provider on a loopback listener.
type Server struct {
	*Provider
	URL string // the issuer, as it was at the start

	// Roots is the certificate of the listener for mutual TLS, in PEM; nil without one.
	Roots []byte

	server *http.Server
	done   sync.WaitGroup // until the server has ended
	close  sync.Once
}

// Listen starts a provider on a free port of 127.0.0.1; cfg.Issuer is filled in. It may
// hold a path, such as "/" or "/tenant", which becomes the issuer's. Close stops it.
func Listen(cfg Config) (*Server, error) {
	if cfg.Issuer != "" && !strings.HasPrefix(cfg.Issuer, "/") {
		return nil, fmt.Errorf("devidp: issuer %q: Listen chooses the address, so give a path or nothing", cfg.Issuer)
	}
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("devidp: %w", err)
	}
	cfg.Issuer = "http://" + l.Addr().String() + cfg.Issuer
	p, err := New(cfg)
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	s := &Server{Provider: p, URL: cfg.Issuer, server: &http.Server{Handler: p, ReadHeaderTimeout: 10 * time.Second}}
	listeners := []net.Listener{l}
	if cfg.MutualTLS {
		secure, err := s.listenTLS(p)
		if err != nil {
			return nil, errors.Join(err, l.Close())
		}
		listeners = append(listeners, secure)
	}
	for _, l := range listeners {
		s.done.Go(func() { _ = s.server.Serve(l) }) // it ends by Close only, and says so in its error
	}
	return s, nil
}

// listenTLS opens the listener that asks for certificates.
func (s *Server) listenTLS(p *Provider) (net.Listener, error) {
	plain, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("devidp: %w", err)
	}
	secure, own, err := askForCertificates(plain, time.Now())
	if err != nil {
		return nil, errors.Join(err, plain.Close())
	}
	s.Roots, p.mutual = own, "https://"+plain.Addr().String()+p.path
	return secure, nil
}

// Close stops the server at once: connections are cut, and with them end the requests
// that hang, are slow, or are held. It may be called twice.
func (s *Server) Close() {
	s.close.Do(func() {
		_ = s.server.Close() // of the listener; nothing is lost with it
	})
	s.done.Wait()
}
