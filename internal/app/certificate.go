package app

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// certificate serves a key pair from files and notices when they change. A pair that does
// not load is reported and the old one goes on: a half-written file cuts nobody off.
type certificate struct {
	certFile, keyFile string
	log               *slog.Logger

	mu      sync.Mutex
	current *tls.Certificate // guarded by mu
	stamp   [2]time.Time     // guarded by mu: when the files last changed
	looked  time.Time        // guarded by mu
}

// newCertificate loads the pair.
func newCertificate(certFile, keyFile string, log *slog.Logger) (*certificate, error) {
	c := &certificate{certFile: certFile, keyFile: keyFile, log: log}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.load(); err != nil {
		return nil, err
	}
	return c, nil
}

// config is the listener's side of TLS: 1.2 or newer, with the pair as it stands now.
func (c *certificate) config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"h2", "http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return c.get(), nil
		},
	}
}

// get returns the pair; at most once a second it looks whether the files have changed.
func (c *certificate) get() *tls.Certificate {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.looked) < time.Second {
		return c.current
	}
	c.looked = time.Now()
	stamp, err := c.stat()
	if err == nil && stamp != c.stamp {
		err = c.load()
	}
	if err != nil {
		c.log.Error("tls: the new certificate cannot be used; the old one goes on", "err", err)
	}
	return c.current
}

// load reads the pair. The caller holds mu.
func (c *certificate) load() error {
	stamp, err := c.stat()
	if err != nil {
		return err
	}
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return fmt.Errorf("tls: loading %s and %s: %w", c.certFile, c.keyFile, err)
	}
	c.current, c.stamp = &pair, stamp
	return nil
}

func (c *certificate) stat() (stamp [2]time.Time, err error) {
	for i, name := range []string{c.certFile, c.keyFile} {
		info, err := os.Stat(name)
		if err != nil {
			return stamp, fmt.Errorf("tls: %w", err)
		}
		stamp[i] = info.ModTime()
	}
	return stamp, nil
}
