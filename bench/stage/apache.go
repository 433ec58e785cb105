package stage

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/cloakroom-bff/cloakroom/bench/process"
)

const apacheModules = "/usr/lib/apache2/modules"

// apacheConfig keeps sessions in Redis and puts the access token on every call. It has a
// thread for each connection: with fewer, it closes connections that could be used again.
const apacheConfig = `ServerRoot /etc/apache2
ServerName localhost
PidFile %[1]s/apache.pid
ErrorLog %[1]s/apache.error
CustomLog %[1]s/apache.access combined
LogFormat "%%h %%l %%u %%t \"%%r\" %%>s %%O \"%%{Referer}i\" \"%%{User-Agent}i\"" combined
DefaultRuntimeDir %[1]s
Mutex file:%[1]s default
User www-data
Group www-data
Listen %[2]s
MaxKeepAliveRequests 0
ServerLimit 2
StartServers 2
ThreadLimit 320
ThreadsPerChild 320
MaxRequestWorkers 640
MaxSpareThreads 640
OIDCProviderMetadataURL %[3]s/.well-known/openid-configuration
OIDCClientID %[4]s
OIDCClientSecret %[5]s
OIDCRedirectURI http://%[2]s/callback
OIDCCryptoPassphrase 0123456789abcdef0123456789abcdef
OIDCScope "openid profile email offline_access"
OIDCPKCEMethod S256
OIDCCacheType redis
OIDCRedisCacheServer %[6]s
OIDCPassClaimsAs environment
<Location />
  AuthType openid-connect
  Require valid-user
  RequestHeader set Authorization "Bearer %%{OIDC_access_token}e" env=OIDC_access_token
  ProxyPass %[7]s/
</Location>
<Location /public/>
  AuthType None
  Require all granted
</Location>
<Location /callback>
  ProxyPass !
</Location>
`

// Apache starts Apache with mod_auth_openidc, its sessions in Redis, and signs in.
func (st *Stage) Apache(ctx context.Context, redis *Redis) (*Side, error) {
	program, err := lookFor("apache2", "/usr/sbin/apache2")
	if err != nil {
		return nil, err
	}
	address, err := process.FreeAddress(ctx)
	if err != nil {
		return nil, err
	}
	s := &Side{Name: "Apache mod_auth_openidc, Redis", Kind: Apache, Origin: "http://" + address, Redis: redis.process}
	idp, err := st.provider(s.Origin + "/callback") //nolint:contextcheck // Close ends it
	if err != nil {
		return nil, err
	}
	dir, err := st.directory("apache")
	if err != nil {
		return nil, err
	}
	var text strings.Builder
	for _, m := range []string{"mpm_event", "authz_core", "authn_core", "auth_basic", "authz_user", "headers", "proxy", "proxy_http", "auth_openidc"} {
		fmt.Fprintf(&text, "LoadModule %s_module %s/mod_%s.so\n", m, apacheModules, m)
	}
	fmt.Fprintf(&text, apacheConfig, dir, address, idp.URL, Client, clientSecret, redis.address, st.Upstream)
	file, err := st.write(filepath.Join(filepath.Base(dir), "httpd.conf"), text.String())
	if err != nil {
		return nil, err
	}
	p, err := st.start(ctx, s.Name, address, program, "-D", "FOREGROUND", "-f", file)
	if err != nil {
		return nil, err
	}
	s.Measured = measured(p)
	if err := s.signIn(ctx, st.transport(), "/api/1k"); err != nil {
		said, _ := exec.CommandContext(ctx, "tail", "-n", "20", filepath.Join(dir, "apache.error")).Output() // told with the error
		return nil, fmt.Errorf("signing in at %s: %w\n%s", s.Name, err, said)
	}
	return s, nil
}
