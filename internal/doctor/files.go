package doctor

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

// files looks at who may read and write what holds secrets.
func (e *exam) files(_ context.Context, c *chart) {
	const check = "files"
	if runtime.GOOS == "windows" {
		return // its permissions are others
	}
	sound := true
	for _, f := range e.secretFiles() {
		info, err := os.Stat(f.path)
		if err != nil {
			continue // what needs it tells
		}
		mode := info.Mode().Perm()
		switch {
		case mode&0o002 != 0:
			sound = false
			c.fail(check, fmt.Sprintf("every user of this machine may write %s (%04o), which holds %s", f.path, mode, f.what), "chmod 600 "+f.path)
		case mode&0o004 != 0 && f.secret:
			sound = false
			c.warn(check, fmt.Sprintf("every user of this machine may read %s (%04o), which holds %s", f.path, mode, f.what),
				"chmod 600 "+f.path+"; of a Secret in Kubernetes, defaultMode: 0440 with an fsGroup")
		}
	}
	if sound {
		c.pass(check, "secrets are in nobody's reach but their owner's and group's")
	}
}

// secretFile is a file that others should not read, or at least not write.
type secretFile struct {
	path, what string
	secret     bool
}

func (e *exam) secretFiles() []secretFile {
	all := []secretFile{{e.cfg.File(), "the configuration", false}}
	if e.hasSecrets(e.cfg.File()) {
		all[0] = secretFile{e.cfg.File(), "the configuration with secrets in it", true}
	}
	for _, ref := range e.cfg.Files() {
		secret := strings.HasPrefix(ref.Key, "session.keys") || strings.HasSuffix(ref.Key, "secret") || strings.HasSuffix(ref.Key, "token") ||
			strings.Contains(ref.Key, ".headers.set") || strings.Contains(ref.Key, ".upstream_auth.") || ref.Key == "session.store"
		all = append(all, secretFile{ref.File, ref.Key, secret})
	}
	all = append(all,
		secretFile{e.cfg.TLS.KeyFile, "tls.key_file", true},
		secretFile{e.cfg.Provider.ClientKeyFile, "provider.client_key_file", true},
		secretFile{e.cfg.Session.Store.Bolt, "session.store", true},
	)
	for i, rt := range e.cfg.Routes {
		all = append(all, secretFile{rt.UpstreamTLS.KeyFile, fmt.Sprintf("routes[%d].upstream_tls.key_file", i), true})
	}
	return slices.DeleteFunc(all, func(f secretFile) bool { return f.path == "" })
}

// hasSecrets reports whether a file holds the client's secret or the operators' token as
// it is. Keys may be spelt in more ways than one.
func (e *exam) hasSecrets(path string) bool {
	text, err := os.ReadFile(path)
	if err != nil {
		return false
	}
	for _, s := range []string{e.cfg.Provider.ClientSecret.Reveal(), e.cfg.Admin.Token.Reveal(), e.cfg.Session.Store.URL.Reveal()} {
		if len(s) > 3 && strings.Contains(string(text), s) {
			return true
		}
	}
	return false
}

// keys looks at the age of the key that seals. Whether it looks random, Load has judged.
func (e *exam) keys(_ context.Context, c *chart) {
	const check = "session.keys"
	n := len(e.cfg.Session.Keys)
	found := fmt.Sprintf("%d keys of 32 bytes; the first seals, all open", n)
	if n == 1 {
		found = "one key of 32 bytes"
	}
	const old = 366 * 24 * time.Hour
	for _, ref := range e.cfg.Files() {
		info, err := os.Stat(ref.File)
		if ref.Key == "session.keys[0]" && err == nil && e.now().Sub(info.ModTime()) > old {
			c.warn(check, fmt.Sprintf("the key that seals was written on %s", info.ModTime().Format(time.DateOnly)),
				"put a new one in front, made by `cloakroom keys new`; nobody is signed out by that")
			return
		}
	}
	c.pass(check, found)
}
