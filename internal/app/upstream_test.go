package app

import (
	"crypto/x509"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/config"
	"github.com/cloakroom-bff/cloakroom/proxy"
)

func TestNewFilesOfAnUpstreamCountWithoutARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		certFile, keyFile := writePair(t, dir, "one.example", time.Now())
		c := config.UpstreamTLS{CAFile: certFile, CertFile: certFile, KeyFile: keyFile, ServerName: "orders.internal"}
		shape, err := shapes{}.get(c, nil, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		trusts := func() bool {
			leaf, err := x509.ParseCertificate(shape.Certificate().Certificate[0])
			if err != nil {
				t.Fatal(err)
			}
			_, err = leaf.Verify(x509.VerifyOptions{Roots: shape.Roots(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
			return err == nil
		}
		if !trusts() || shape.ServerName != "orders.internal" {
			t.Error("the files are not in use")
		}
		before := shape.Roots()
		time.Sleep(time.Minute)
		writePair(t, dir, "two.example", time.Now())
		time.Sleep(time.Second)
		if !trusts() || before.Equal(shape.Roots()) {
			t.Error("the new files are not in use")
		}
		before = shape.Roots()
		time.Sleep(time.Minute)
		if err := os.WriteFile(certFile, []byte("half a f"), 0o600); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if !trusts() || !before.Equal(shape.Roots()) {
			t.Error("a half-written file is in use")
		}
	})
}

func TestRoutesToOneUpstreamShareItsConnections(t *testing.T) {
	dir := t.TempDir()
	certFile, _ := writePair(t, dir, "orders.internal", time.Now())
	all := shapes{}
	up := []*url.URL{{Scheme: "https", Host: "a"}, {Scheme: "https", Host: "b"}}
	c := config.Route{Upstream: up, UpstreamTLS: config.UpstreamTLS{CAFile: certFile}, Balance: config.Balance{Sticky: true, HealthInterval: time.Second}}
	var one, two, alone proxy.Route
	for to, from := range map[*proxy.Route]config.Route{&one: c, &two: c, &alone: {Upstream: up[:1], Balance: config.Balance{HealthInterval: time.Second}}} {
		if err := setUpstream(to, from, nil, all, slog.New(slog.DiscardHandler)); err != nil {
			t.Fatal(err)
		}
	}
	if one.UpstreamTLS != two.UpstreamTLS || one.UpstreamTLS == nil || alone.UpstreamTLS != nil {
		t.Error("the TLS of the routes is", one.UpstreamTLS, two.UpstreamTLS, alone.UpstreamTLS)
	}
	if one.Upstream != up[0] || len(one.Replicas) != 1 || !one.Balance.Sticky || (alone.Balance != proxy.Balance{}) {
		t.Error("the routes are", one.Upstream, one.Replicas, one.Balance, alone.Balance)
	}
}

func TestFilesOfAnUpstreamThatDoNotLoadStopTheStart(t *testing.T) {
	none := filepath.Join(t.TempDir(), "none")
	for key, c := range map[string]config.UpstreamTLS{
		"upstream_tls.ca_file": {CAFile: none}, "upstream_tls.cert_file": {CertFile: none, KeyFile: none},
	} {
		if _, err := (shapes{}).get(c, nil, slog.New(slog.DiscardHandler)); err == nil || !strings.HasPrefix(err.Error(), key) {
			t.Errorf("%s: %v", key, err)
		}
	}
}
