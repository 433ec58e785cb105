//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The cases of gRPC's own interoperability suite that ask for no cloud.
var grpcCases = []string{
	"empty_unary", "large_unary", "client_streaming", "server_streaming", "ping_pong", "empty_stream",
	"timeout_on_sleeping_server", "cancel_after_begin", "cancel_after_first_response", "status_code_and_message",
	"special_status_message", "custom_metadata", "unimplemented_method", "unimplemented_service",
}

// gRPC's client speaks TLS to the gateway, which speaks to gRPC's server: without TLS, to one
// of two, and with a certificate that only upstream_tls knows.
func TestGRPCsOwnSuitePassesThrough(t *testing.T) {
	t.Parallel()
	interop, err := filepath.Abs("grpc/bin")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"client", "server"} {
		if _, err := os.Stat(filepath.Join(interop, name)); err != nil {
			missing(t, "gRPC's "+name, "(cd e2e/grpc && go build -o bin/"+name+" google.golang.org/grpc/interop/"+name+")")
		}
	}
	g := newGateway(t)
	public := strings.Replace(g.url, "http:", "https:", 1)
	cert, key := selfSigned(t)
	g.write("tls.pem", cert)
	g.write("tls.key", key)
	g.write("session.key", newSessionKey(t))
	serve := func(args ...string) (port string) {
		t.Helper()
		port = fmt.Sprint(freePort(t))
		startPart(t, port, filepath.Join(interop, "server"), append(args, "-port", port)...)
		return port
	}
	plain, other := serve(), serve()
	secure := serve("-use_tls", "-tls_cert_file", filepath.Join(g.dir, "tls.pem"), "-tls_key_file", filepath.Join(g.dir, "tls.key"))
	for name, upstream := range map[string]string{
		"h2c":   fmt.Sprintf("upstream: [h2c://127.0.0.1:%s, h2c://127.0.0.1:%s]", plain, other),
		"https": fmt.Sprintf("upstream: https://127.0.0.1:%s\n    upstream_tls: {ca_file: tls.pem, server_name: localhost}", secure),
	} {
		t.Run(name, func(t *testing.T) {
			g := *g
			g.t = t
			g.write("config.yaml", fmt.Appendf(nil, `
public_url: %s
listen: %q
tls: {cert_file: tls.pem, key_file: tls.key}
admin: {listen: %q, token: the-operators-token-of-these-tests}
provider:
  issuer: %s
  client_id: cloakroom
  client_secret: %s
session:
  keys: ["${file:./session.key}"]
routes:
  - path: /
    access: public
    token: none
    %s
`, public, port127(g.url), port127(g.admin), provide(t, public).URL, providerSecret, upstream))
			g.start()
			for _, name := range grpcCases {
				ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
				said, err := exec.CommandContext(ctx, filepath.Join(interop, "client"), "-use_tls", "-use_test_ca", "-ca_file", filepath.Join(g.dir, "tls.pem"),
					"-server_host", "localhost", "-server_port", port(g.url), "-test_case", name).CombinedOutput()
				cancel()
				if err != nil {
					t.Errorf("%s: %v\n%s", name, err, said)
				}
			}
			g.stop()
		})
	}
}

func newSessionKey(t *testing.T) []byte {
	t.Helper()
	key, err := exec.CommandContext(t.Context(), binary, "keys", "new").Output()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// startPart runs a program until the test is over, and waits until it listens.
func startPart(t *testing.T, port, program string, args ...string) {
	t.Helper()
	var said bytes.Buffer
	cmd := exec.Command(program, args...)
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		if _ = cmd.Wait(); t.Failed() {
			t.Logf("%s said\n%s", program, said.Bytes())
		}
	})
	eventually(t, 20*time.Second, program+" listens", func() bool {
		c, err := new(net.Dialer).DialContext(t.Context(), "tcp", "127.0.0.1:"+port)
		if err != nil {
			return false
		}
		_ = c.Close()
		return true
	})
}
