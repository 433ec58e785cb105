package stage

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/cloakroom-bff/cloakroom/bench/process"
)

// nginxConfig is proxy_pass with connections that are kept, and the files of the app. It
// logs as the distribution's does.
const nginxConfig = `worker_processes auto;
daemon off;
pid %[1]s/nginx.pid;
error_log %[1]s/nginx.error;
events { worker_connections 4096; }
http {
  access_log %[1]s/nginx.access;
  include /etc/nginx/mime.types;
  keepalive_requests 1000000;
  client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/fastcgi;
  uwsgi_temp_path %[1]s/uwsgi; scgi_temp_path %[1]s/scgi;
  map $http_upgrade $connection_upgrade { default upgrade; '' ''; }
  upstream api { server %[2]s; keepalive 512; keepalive_requests 1000000; }
  %[5]s
  server {
    listen %[3]s;
    location ~ ^/(api|public)/ {
      %[6]s
      proxy_pass http://api;
      proxy_http_version 1.1;
      proxy_set_header Connection $connection_upgrade;
      proxy_set_header Upgrade $http_upgrade;
    }
    location / { root %[4]s; try_files $uri /index.html; }
    %[7]s
  }
}
`

// nginxServer is what differs between those that are measured.
type nginxServer struct {
	name   string
	listen string // after the address
	http   string // in the block http
	call   string // in the location of the calls
	server string // in the block server
}

// Nginx starts nginx with proxy_pass, which checks nothing: the floor.
func (st *Stage) Nginx(ctx context.Context) (*Side, error) {
	return st.nginx(ctx, nginxServer{name: "nginx proxy_pass"})
}

// NginxTLS starts one that ends TLS, and speaks HTTP/2.
func (st *Stage) NginxTLS(ctx context.Context) (*Side, error) {
	pair, err := st.certificate()
	if err != nil {
		return nil, err
	}
	s, err := st.nginx(ctx, nginxServer{
		name: "nginx proxy_pass", listen: " ssl http2",
		http: fmt.Sprintf("ssl_certificate %s; ssl_certificate_key %s;", pair.cert, pair.key),
	})
	if err == nil {
		s.Origin = strings.Replace(s.Origin, "http:", "https:", 1)
	}
	return s, err
}

// AuthRequest starts nginx before a gateway, which it asks about every call (auth_request).
// The gateway needs an Ingress. Both are measured.
func (st *Stage) AuthRequest(ctx context.Context, gateway *Side) (*Side, error) {
	ingress, found := strings.CutPrefix(gateway.Ingress, "http://")
	if !found {
		return nil, errors.New("stage: the gateway has no entrance for an ingress: set Binary.Ingress")
	}
	_, host, _ := strings.Cut(gateway.Origin, "://")
	s, err := st.nginx(ctx, nginxServer{
		name: "nginx auth_request, " + gateway.Name,
		http: "upstream gateway { server " + ingress + "; keepalive 512; keepalive_requests 1000000; }",
		call: `auth_request /verify;
      auth_request_set $authorization $upstream_http_authorization;
      auth_request_set $cookie $upstream_http_cookie;
      proxy_set_header Authorization $authorization;
      proxy_set_header Cookie $cookie;`,
		server: fmt.Sprintf(`location = /verify {
      internal;
      proxy_pass http://gateway/verify/nginx;
      proxy_http_version 1.1;
      proxy_pass_request_body off;
      proxy_set_header Connection "";
      proxy_set_header Content-Length "";
      proxy_set_header X-Original-Method $request_method;
      proxy_set_header X-Original-URI $request_uri;
      proxy_set_header X-Forwarded-Host %s;
      proxy_set_header X-Forwarded-Proto http;
      proxy_set_header X-Forwarded-For $remote_addr;
    }`, host),
	})
	if err != nil {
		return nil, err
	}
	s.Cookie, s.Cookies = gateway.Cookie, gateway.Cookies
	s.Measured = append(s.Measured, gateway.Measured...)
	return s, nil
}

func (st *Stage) nginx(ctx context.Context, n nginxServer) (*Side, error) {
	program, err := lookFor("nginx", "/usr/sbin/nginx")
	if err != nil {
		return nil, err
	}
	address, err := process.FreeAddress(ctx)
	if err != nil {
		return nil, err
	}
	dir, err := st.directory("nginx")
	if err != nil {
		return nil, err
	}
	_, upstream, _ := strings.Cut(st.Upstream, "://")
	file, err := st.write(filepath.Join(filepath.Base(dir), "nginx.conf"), fmt.Sprintf(nginxConfig, dir, upstream, address+n.listen, st.Files, n.http, n.call, n.server))
	if err != nil {
		return nil, err
	}
	p, err := st.start(ctx, n.name, address, program, "-e", filepath.Join(dir, "nginx.error"), "-c", file)
	if err != nil {
		return nil, err
	}
	return &Side{Name: n.name, Kind: Nginx, Origin: "http://" + address, Measured: measured(p)}, nil
}
