package stage

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/cloakroom-bff/cloakroom/bench/fill"
	"github.com/cloakroom-bff/cloakroom/bench/process"
	"github.com/cloakroom-bff/cloakroom/internal/config"
	"github.com/cloakroom-bff/cloakroom/internal/devidp"
)

// Binary says which gateway is started, and how.
type Binary struct {
	Name string // of the side
	Path string // of the program
	// Redis is where it keeps its sessions; nil means in a file.
	Redis *Redis
	// Sessions is how many there are in its store when it starts; the load is spread over
	// them. Zero means the one of the browser that signs in.
	Sessions int
	// Ingress opens its entrance for an ingress, too.
	Ingress bool
	// TLS has it end TLS itself, and speak HTTP/2.
	TLS bool
	// TokenLife is how long an access token holds. Zero means that it outlives the run.
	TokenLife time.Duration
	// Environ is added to its environment.
	Environ []string
}

// Build builds the gateway of this tree, with further flags of go build.
func (st *Stage) Build(ctx context.Context, flags ...string) (path string, err error) {
	path = filepath.Join(st.Dir, "cloakroom")
	args := slices.Concat([]string{"build", "-o", path}, flags, []string{"github.com/cloakroom-bff/cloakroom/cmd/cloakroom"})
	out, err := exec.CommandContext(ctx, "go", args...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("building the gateway: %w\n%s", err, out)
	}
	return path, nil
}

// Gateway starts a gateway and signs in. Stop ends it before the Stage.
func (st *Stage) Gateway(ctx context.Context, b Binary) (*Side, error) {
	address, err := process.FreeAddress(ctx)
	if err != nil {
		return nil, err
	}
	_, port, _ := strings.Cut(address, ":")
	s := &Side{Name: b.Name, Kind: Gateway, Origin: "http://localhost:" + port}
	if b.TLS {
		s.Origin = "https://localhost:" + port
	}
	dir, err := os.MkdirTemp(st.Dir, "gateway")
	if err != nil {
		return nil, err
	}
	text, err := st.configure(ctx, b, s, address, dir)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "config.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil, err
	}
	p, err := st.run(ctx, process.Program{Name: b.Name, Command: []string{b.Path, "run", "--config", file}, Environ: b.Environ, Listens: address})
	if err != nil {
		return nil, err
	}
	s.Measured = measured(p)
	if err := s.signIn(ctx, st.transport(), "/bff/login"); err != nil {
		return nil, fmt.Errorf("signing in at %s: %w\n%s", b.Name, err, p.Logged())
	}
	return s, nil
}

// gatewayConfig is what the smallest useful file has, and an upstream without a login.
const gatewayConfig = `public_url: %[1]s
listen: %[2]q
admin: {listen: "127.0.0.1:0"}
provider: {issuer: %[3]q, client_id: %[4]s, client_secret: %[5]s}
session: {store: %[6]q, keys: [%[7]q]}
routes:
  - path: /api/
    upstream: %[8]s
  - path: /public/
    upstream: %[8]s
    access: public
  - path: /
    files: %[9]s
    access: public
`

// configure starts the provider, fills the store, and returns the gateway's configuration.
func (st *Stage) configure(ctx context.Context, b Binary, s *Side, address, dir string) (string, error) {
	idp, err := st.provider(s.Origin + "/bff/callback") //nolint:contextcheck // Close ends it
	if err != nil {
		return "", err
	}
	if b.TokenLife > 0 {
		idp.Adjust(func(k *devidp.Knobs) { k.AccessTokenTTL = b.TokenLife })
	}
	store, key := "bolt:"+filepath.Join(dir, "sessions.db"), config.NewKey()
	if b.Redis != nil {
		store, s.Redis = b.Redis.URL, b.Redis.process
	}
	if b.Sessions > 0 {
		s.Cookies = filepath.Join(dir, "cookies")
		if err := st.fill(ctx, s.Cookies, fill.Filling{Store: store, Keys: []string{key}, Issuer: idp.URL, Client: Client, Sessions: b.Sessions}); err != nil {
			return "", err
		}
	}
	text := fmt.Sprintf(gatewayConfig, s.Origin, address, idp.URL, Client, clientSecret, store, key, st.Upstream, st.Files)
	if b.TLS {
		pair, err := st.certificate()
		if err != nil {
			return "", err
		}
		text += fmt.Sprintf("tls: {cert_file: %q, key_file: %q}\n", pair.cert, pair.key)
	}
	if b.Ingress {
		ingress, err := process.FreeAddress(ctx)
		if err != nil {
			return "", err
		}
		s.Ingress = "http://" + ingress
		text += fmt.Sprintf("forward_auth: {listen: %q}\ntrusted_proxies: [127.0.0.0/8]\n", ingress)
	}
	return text, nil
}

// fill puts sessions into a store and their tickets into a file.
func (st *Stage) fill(ctx context.Context, cookies string, f fill.Filling) error {
	w, err := os.Create(cookies)
	if err != nil {
		return err
	}
	if err := f.Run(ctx, w); err != nil {
		_ = w.Close() // it is of no use
		return err
	}
	return w.Close()
}

// Stop ends a side before the Stage.
func (st *Stage) Stop(s *Side) {
	for _, p := range s.Measured {
		st.stop(p)
	}
}
