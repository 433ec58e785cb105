package migrate

import (
	"net"
	"slices"
	"strings"
)

// write writes the draft.
func (p *oauth2Proxy) write() {
	for _, d := range p.alpha {
		p.writeAlpha(d)
	}
	p.elsewhere()
	p.writeProvider()
	p.writeSession()
	p.writeAddress()
	p.writeListeners()
	p.writeHeaders()
	p.writeProxies()
	p.writeRoutes()
}

// writeAddress writes what the browser sees.
func (p *oauth2Proxy) writeAddress() {
	prefix := "/oauth2"
	if s := p.get("proxy_prefix"); s.text() != "" {
		prefix = strings.TrimSuffix(s.text(), "/")
	}
	callback := prefix + "/callback"
	if s := p.get("redirect_url"); s != nil && !s.absent {
		u, err := parseURL(s.text())
		switch {
		case err != nil:
			p.say(Lost, s, "public_url", "is no URL")
		default:
			p.publicURL(s, u)
			if u.Path != "" && u.Path != "/" {
				callback = u.Path
			}
		}
	}
	p.redirect(callback)
	p.todo("", "links and ingress rules to "+prefix+"/start, /sign_in, /sign_out, /auth and /userinfo need the gateway's login, logout, forward-auth entrance and user: see the page about endpoints")
}

func (p *oauth2Proxy) writeListeners() {
	cert, key := p.get("tls_cert_file"), p.get("tls_key_file")
	plain, secure := p.get("http_address"), p.get("https_address")
	if cert.text() != "" && key.text() != "" {
		p.draft.set("tls.cert_file", p.file(cert, cert.text()))
		p.draft.set("tls.key_file", p.file(key, key.text()))
		p.draft.set("listen", ":443")
		if secure != nil {
			p.listen(secure, "listen")
		}
		if plain != nil {
			p.say(Lost, plain, "listen", "there is one public listener, and it has TLS: let a proxy answer plain http")
		}
	} else {
		p.draft.set("listen", "127.0.0.1:4180")
		if plain != nil {
			p.listen(plain, "listen")
		}
		if secure != nil {
			p.say(Needless, secure, "", "does nothing without a certificate")
		}
	}
	if s := p.get("metrics_address"); s.text() != "" && p.listen(s, "admin.listen") {
		p.say(Changed, s, "admin.listen", "metrics have other names, and the operator's API is there, too")
		if host, _, err := net.SplitHostPort(address(s.text())); err == nil && !loopback(host) {
			p.draft.set("admin.token", "${env:ADMIN_TOKEN}")
			p.todo("admin.token", "others than this machine reach the admin listener: put a long random word into the environment variable ADMIN_TOKEN")
		}
	}
}

// listen writes an address to listen at, and reports whether it could.
func (p *oauth2Proxy) listen(s *setting, key string) bool {
	at := address(s.text())
	if at == "" || s.absent {
		p.say(Lost, s, key, "is no host and port; sockets of files and of the service manager are not listened at")
		return false
	}
	p.draft.set(key, at)
	return true
}

// writeProxies writes whom the gateway believes, and the entrance of an ingress that asks.
func (p *oauth2Proxy) writeProxies() {
	for _, name := range []string{"set_xauthrequest", "set_authorization_header", "set_basic_auth"} {
		p.asked = p.asked || p.is(name, false)
	}
	if p.asked {
		entrance := ":4181"
		if at, _ := p.draft.values["listen"].(string); strings.HasSuffix(at, entrance) {
			entrance = ":4182"
		}
		p.draft.set("forward_auth.listen", entrance)
		p.todo("forward_auth.listen", "the ingress asks at "+entrance+"/verify/… in the place of /oauth2/auth: see the page about forward-auth")
	}
	if !p.asked && !p.is("reverse_proxy", false) && p.get("trusted_proxy_ips") == nil {
		return
	}
	var networks []string
	if s := p.get("trusted_proxy_ips"); s != nil {
		for _, v := range s.values {
			n := network(v)
			if n == "" {
				p.say(Lost, s, "trusted_proxies", "has something that is neither an address nor a network")
				continue
			}
			networks = append(networks, n)
		}
	}
	if len(networks) == 0 {
		networks = []string{"127.0.0.0/8", "::1/128"}
		p.todo("trusted_proxies", "write the networks of your proxies: oauth2-proxy believed everybody, and here it is this machine alone")
	}
	p.draft.set("trusted_proxies", slices.Compact(networks))
}
