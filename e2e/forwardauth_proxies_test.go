//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A frontProxy is one that there is a recipe for.
type frontProxy struct {
	name    string
	program string   // in the path, or a path below e2e
	remedy  string   // where to get it
	recipes []string // files of docs/forward-auth
	listens [2]string
	command func(dir string) []string // its arguments
	around  map[string]string         // files that a machine with the proxy has anyway
}

func frontProxies() []frontProxy {
	return []frontProxy{
		{
			name: "nginx", program: "nginx", remedy: "apt-get install nginx-light",
			recipes: []string{"nginx.conf"}, listens: [2]string{"listen 80;", "listen ADDRESS;"},
			command: func(dir string) []string { return []string{"-p", dir, "-c", "main.conf", "-e", "stderr"} },
			around: map[string]string{"main.conf": `
daemon off; master_process off; pid nginx.pid; error_log stderr;
events {}
http {
  access_log off;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  include nginx.conf;
}
`},
		},
		{
			name: "Caddy", program: "caddy/bin/caddy", remedy: "(cd e2e/caddy && CGO_ENABLED=0 go build -o bin/caddy github.com/caddyserver/caddy/v2/cmd/caddy)",
			recipes: []string{"Caddyfile"}, listens: [2]string{"app.example.com {", "http://app.example.com:PORT {\n\tbind 127.0.0.1"},
			command: func(dir string) []string { return []string{"run", "--config", dir + "/Caddyfile"} },
		},
		{
			name: "Traefik", program: "traefik/bin/traefik", remedy: "(cd e2e/traefik && CGO_ENABLED=0 go build -o bin/traefik github.com/traefik/traefik/v3/cmd/traefik)",
			recipes: []string{"traefik.yaml", "traefik-routes.yaml"}, listens: [2]string{`address: ":80"`, `address: "ADDRESS"`},
			command: func(dir string) []string { return []string{"--configFile=" + dir + "/traefik.yaml"} },
		},
		{
			name: "HAProxy", program: "haproxy", remedy: "apt-get install haproxy",
			recipes: []string{"haproxy.cfg", "verify.lua"}, listens: [2]string{"bind :80", "bind ADDRESS"},
			command: func(dir string) []string { return []string{"-db", "-f", dir + "/haproxy.cfg"} },
		},
	}
}

// find returns the program's absolute path, or ends the test.
func (p frontProxy) find(t *testing.T) string {
	t.Helper()
	program, err := exec.LookPath(p.program)
	if err != nil {
		missing(t, p.name, p.remedy)
	}
	if program, err = filepath.Abs(program); err != nil {
		t.Fatal(err)
	}
	return program
}

// start runs the proxy by its recipe, in which addresses and paths are replaced and nothing
// else.
func (p frontProxy) start(t *testing.T, s *ingress, program string) {
	t.Helper()
	for name, text := range p.around {
		s.place(name, text)
	}
	for _, name := range p.recipes {
		text, err := os.ReadFile(filepath.Join("../docs/forward-auth", name))
		if err != nil {
			t.Fatal(err)
		}
		s.place(name, p.replacer(s).Replace(string(text)))
	}
	cmd := exec.CommandContext(t.Context(), program, p.command(s.dir)...)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "HOME="+s.dir, "XDG_CONFIG_HOME="+s.dir, "XDG_DATA_HOME="+s.dir, // where Caddy keeps things,
		fmt.Sprintf("CADDY_ADMIN=127.0.0.1:%d", freePort(t))) // and is told things
	log, err := os.Create(filepath.Join(s.dir, "front.log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			said, _ := os.ReadFile(log.Name())
			t.Logf("%s said\n%s", p.name, said)
		}
	})
	eventually(t, 20*time.Second, p.name+" passes on what is public", func() bool { return answers(t, nil, s.url+"/") })
}

func (p frontProxy) replacer(s *ingress) *strings.Replacer {
	listens := strings.NewReplacer("ADDRESS", port127(s.url), "PORT", port(s.url), "app.example.com", "localhost").Replace(p.listens[1])
	return strings.NewReplacer(
		p.listens[0], listens,
		"app.example.com", "localhost",
		"cloakroom:8080", port127(s.gateway.url),
		"cloakroom:4181", s.entrance,
		"app:9000", port127(s.upstream.url),
		"/etc/traefik", s.dir,
		"/etc/haproxy", s.dir,
	)
}

func (s *ingress) place(name, text string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}
