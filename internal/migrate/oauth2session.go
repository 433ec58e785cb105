package migrate

import (
	"net/url"
	"strings"
	"time"
)

// longest is what a session may last.
const longest = 366 * 24 * time.Hour

// writeSession writes where sessions live, and for how long.
func (p *oauth2Proxy) writeSession() {
	p.lifetime()
	s := p.get("cookie_samesite")
	switch mode := strings.ToLower(s.text()); mode {
	case "strict", "lax":
		p.draft.set("session.cookie.same_site", mode)
	case "none":
		p.say(Lost, s, "session.cookie.same_site", "none would send the ticket with every request of every site: it is strict; pages of the same site are listed in cors.origins")
	}
	if store := p.get("session_store_type"); store.text() == "redis" {
		p.draft.set("session.store", p.redis())
		return
	}
	for _, s := range p.order {
		if strings.HasPrefix(s.name, "redis_") {
			p.say(Needless, s, "", "does nothing without session_store_type = redis")
		}
	}
	p.remark(Remark{Kind: Changed, To: "session.store", Text: "sessions are in a file of one process, bolt:./cloakroom.db, no longer in cookies: for several processes write a redis:// URL"})
}

// lifetime carries cookie_expire, a week unless it is set. The product knows no other
// limit, so that it is both of the gateway's.
func (p *oauth2Proxy) lifetime() {
	life, s := 168*time.Hour, p.get("cookie_expire")
	if s != nil && !s.absent {
		d, err := duration(s.text())
		switch {
		case err != nil || d < 0:
			p.say(Lost, s, "session.absolute_timeout", "is no duration")
		case d == 0:
			p.draft.set("session.cookie.persistent", false)
			p.say(Changed, s, "session.cookie.persistent", "the cookie ends with the browser; a session lasts a week at most")
		default:
			life = min(d, longest)
		}
	}
	p.lasts(life, life)
	if s == nil {
		p.remark(Remark{Kind: Changed, To: "session.idle_timeout", Text: "a session lasts a week at most, as cookie_expire did by default; 8h, the gateway's own default for the idle time, is safer"})
	}
}

// lasts writes the limits of sessions, the idle one at most the absolute.
func (m *migration) lasts(idle, absolute time.Duration) {
	m.draft.set("session.idle_timeout", brief(min(idle, absolute)))
	m.draft.set("session.absolute_timeout", brief(absolute))
}

// brief writes 168h0m0s as 168h.
func brief(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// duration reads Go's form, and a number of nanoseconds as the product's library does.
func duration(s string) (time.Duration, error) {
	if d, err := time.ParseDuration(s); err == nil {
		return d, nil
	}
	return time.ParseDuration(s + "ns")
}

// redis writes the URL of the store, its passwords as references.
func (p *oauth2Proxy) redis() string {
	switch {
	case p.is("redis_use_sentinel", false):
		master := p.value("redis_sentinel_master_name")
		if master == "" {
			master = "mymaster"
			p.todo("session.store", "write the name of Sentinel's master")
		}
		hosts, user, tls := p.redisHosts("redis_sentinel_connection_urls")
		var query []string
		if s := p.get("redis_sentinel_password"); s != nil {
			query = append(query, "sentinel_password="+p.secret(s, "REDIS_SENTINEL_PASSWORD"))
		}
		return "redis-sentinel://" + user + hosts + "/" + master + p.redisQuery(query, tls, true)
	case p.is("redis_use_cluster", false):
		hosts, user, tls := p.redisHosts("redis_cluster_connection_urls")
		return "redis-cluster://" + user + hosts + p.redisQuery(nil, tls, true)
	}
	s := p.get("redis_connection_url")
	if s != nil && s.absent {
		return p.secret(s, "REDIS_URL")
	}
	hosts, user, tls := p.redisHosts("redis_connection_url")
	database := "/0"
	if u, err := parseURL(s.text()); err == nil && len(u.Path) > 1 && !strings.ContainsFunc(u.Path[1:], func(c rune) bool { return c < '0' || c > '9' }) {
		database = u.Path
	}
	scheme := map[bool]string{false: "redis", true: "rediss"}[tls]
	return scheme + "://" + user + hosts + database + p.redisQuery(nil, tls, false)
}

// redisHosts returns the hosts of URLs, the user that goes before them, and whether TLS is
// spoken.
func (p *oauth2Proxy) redisHosts(option string) (hosts, user string, tls bool) {
	var all []string
	s := p.get(option)
	name, hidden := p.value("redis_username"), ""
	if s != nil {
		for _, v := range s.values {
			u, err := parseURL(v)
			if err != nil || u.Host == "" || strings.ContainsAny(u.Host, "${}@/ ") {
				continue
			}
			all = append(all, u.Host)
			tls = tls || u.Scheme == "rediss"
			// A name without a password may be one that went astray.
			if _, has := u.User.Password(); has && hidden == "" {
				if name == "" {
					name = literal(u.User.Username())
				}
				hidden = p.secret(&setting{name: option, at: s.at}, "REDIS_PASSWORD")
			}
		}
	}
	if pw := p.get("redis_password"); pw != nil && (pw.absent || pw.text() != "") {
		hidden = p.secret(pw, "REDIS_PASSWORD")
	}
	if len(all) == 0 {
		all = []string{"redis:6379"}
		p.todo("session.store", "write the address of Redis: "+option+" has none that could be read")
	}
	switch {
	case hidden != "":
		user = url.PathEscape(name) + ":" + hidden + "@"
		p.todo("session.store", "a password with characters such as / @ : % has to be percent-encoded in its variable, since it is part of a URL")
	case name != "":
		user = url.PathEscape(name) + "@"
	}
	return strings.Join(all, ","), user, tls
}

func (p *oauth2Proxy) redisQuery(query []string, tls, name bool) string {
	if tls && name {
		query = append(query, "tls=true")
	}
	if s := p.get("redis_ca_path"); s != nil && s.text() != "" {
		query = append(query, "ca_file="+p.file(s, s.text()))
	}
	if len(query) == 0 {
		return ""
	}
	return "?" + strings.Join(query, "&")
}
