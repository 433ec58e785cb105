package main

import (
	"context"
	"net/url"

	"github.com/cloakroom-bff/cloakroom/bench/load"
	"github.com/cloakroom-bff/cloakroom/bench/stage"
)

// workload is what is asked for, again and again.
type workload struct {
	name, title string
	path        string // at whoever passes it on to the upstream
	method      string // empty is GET
	body        int    // bytes that are sent
	size        int64  // bytes that are answered at least
	anonymous   bool   // without the browser's cookies
	drive       func(context.Context, load.Request, load.Shape) (load.Result, error)
	adapt       func(*load.Request, *stage.Side) // for sides that are asked in another way; nil: none is
}

// workloads are all that can be measured.
func workloads() []workload {
	return []workload{
		{name: "json", title: "1 KiB of JSON, signed in", path: "/api/1k", size: stage.KiB, drive: load.Wrk},
		{name: "http2", title: "1 KiB of JSON, signed in, over TLS and HTTP/2", path: "/api/1k", size: stage.KiB, drive: load.H2load},
		{name: "json-100k", title: "100 KiB of JSON, signed in", path: "/api/100k", size: 100 * stage.KiB, drive: load.Wrk},
		{name: "json-1m", title: "1 MiB of JSON, signed in", path: "/api/1m", size: stage.MiB, drive: load.Wrk},
		{name: "post", title: "POST of 10 KiB, signed in", path: "/api/1k", method: "POST", body: 10 * stage.KiB, size: stage.KiB, drive: load.Wrk},
		{name: "public", title: "1 KiB of JSON, a public route, anonymous", path: "/public/1k", size: stage.KiB, anonymous: true, drive: load.Wrk},
		{name: "file", title: "a script of 10 KiB, of a single-page app", path: "/public/10k", size: 10 * stage.KiB, anonymous: true, drive: load.Wrk, adapt: askForFile},
		{name: "verify", title: "an ingress's question (forward-auth)", path: "/api/1k", size: stage.KiB, drive: load.Wrk, adapt: askWhetherItMayPass},
		{name: "websocket", title: "a WebSocket's message of 64 bytes, there and back", path: "/api/ws", drive: load.WebSocket},
	}
}

// request is what a side is asked.
func (w *workload) request(s *stage.Side) load.Request {
	q := load.Request{
		Method: w.method, URL: s.Origin + w.path, Body: w.body, Size: w.size,
		Header: []string{"Accept: application/json", "Sec-Fetch-Site: same-origin", "Sec-Fetch-Mode: cors", "Sec-Fetch-Dest: empty"},
	}
	if w.adapt != nil {
		w.adapt(&q, s)
	}
	switch {
	case w.anonymous:
	case s.Cookies != "":
		q.Cookies = s.Cookies
	case s.Cookie != "":
		q.Header = append(q.Header, "Cookie: "+s.Cookie)
	}
	return q
}

// askForFile asks those that have files for one of theirs; the others pass on as much.
func askForFile(q *load.Request, s *stage.Side) {
	if s.Kind == stage.Gateway || s.Kind == stage.Nginx {
		q.URL = s.Origin + "/assets/app-3f9ac1d2.js"
	}
}

// askWhetherItMayPass asks as an ingress does; who has no such entrance passes the call on.
func askWhetherItMayPass(q *load.Request, s *stage.Side) {
	switch s.Kind {
	case stage.Gateway:
		u, err := url.Parse(s.Origin)
		if err != nil {
			panic(err) // We have made it.
		}
		q.URL, q.Size = s.Ingress+"/verify/traefik", 0
		q.Header = append(q.Header, "X-Forwarded-Method: GET", "X-Forwarded-Uri: /api/1k", "X-Forwarded-Host: "+u.Host, "X-Forwarded-Proto: http", "X-Forwarded-For: 127.0.0.1")
	case stage.OAuth2Proxy:
		q.URL, q.Size = s.Origin+"/oauth2/auth", 0
	case stage.Proxy, stage.Apache, stage.Nginx:
	}
}
