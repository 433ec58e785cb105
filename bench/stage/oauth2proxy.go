package stage

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/cloakroom-bff/cloakroom/bench/process"
)

// OAuth2Proxy starts oauth2-proxy and signs in. Its sessions are in Redis, or in the
// browser's cookie if that is nil.
func (st *Stage) OAuth2Proxy(ctx context.Context, redis *Redis) (*Side, error) {
	program, err := st.buildOAuth2Proxy(ctx)
	if err != nil {
		return nil, err
	}
	address, err := process.FreeAddress(ctx)
	if err != nil {
		return nil, err
	}
	s := &Side{Name: "oauth2-proxy, cookie", Kind: OAuth2Proxy, Origin: "http://" + address}
	idp, err := st.provider(s.Origin + "/oauth2/callback") //nolint:contextcheck // Close ends it
	if err != nil {
		return nil, err
	}
	command := []string{
		program, "--http-address=" + address, "--redirect-url=" + s.Origin + "/oauth2/callback", "--upstream=" + st.Upstream + "/",
		"--provider=oidc", "--oidc-issuer-url=" + idp.URL, "--client-id=" + Client, "--client-secret=" + clientSecret,
		"--code-challenge-method=S256", "--insecure-oidc-skip-nonce=false", "--scope=openid profile email", "--email-domain=*",
		"--skip-provider-button", "--pass-access-token", "--skip-auth-route=^/public/",
		"--cookie-secret=0123456789abcdef0123456789abcdef", "--cookie-secure=false",
	}
	if redis != nil {
		s.Name, s.Redis = "oauth2-proxy, Redis", redis.process
		command = append(command, "--session-store-type=redis", "--redis-connection-url="+redis.URL)
	}
	p, err := st.start(ctx, s.Name, address, command...)
	if err != nil {
		return nil, err
	}
	s.Measured = measured(p)
	if err := s.signIn(ctx, st.transport(), "/oauth2/start?rd=/api/1k"); err != nil {
		return nil, fmt.Errorf("signing in at %s: %w\n%s", s.Name, err, p.Logged())
	}
	return s, nil
}

// buildOAuth2Proxy builds it from its own module, which takes minutes the first time.
func (st *Stage) buildOAuth2Proxy(ctx context.Context) (string, error) {
	root, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return "", fmt.Errorf("looking for the module of this program: %w", err)
	}
	dir := filepath.Join(strings.TrimSpace(string(root)), "bench", "peers", "oauth2proxy")
	binary := filepath.Join(dir, "bin", "oauth2-proxy")
	build := exec.CommandContext(ctx, "go", "build", "-C", dir, "-trimpath", "-o", binary, "github.com/oauth2-proxy/oauth2-proxy/v7")
	build.Env = append(build.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building oauth2-proxy: %w\n%s", err, out)
	}
	return binary, nil
}
