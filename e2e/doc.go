// Package e2e meets the built binary from the outside: real processes, a certified
// provider, a real browser, nothing mocked.
//
//	Chromium, or a client        cloakroom              oidc-provider or the Auth0
//	that behaves like one   ──▶  run | demo   ──▶       simulator (Node), Dex, or the
//	                                 │                  development provider
//	                                 └──▶  an upstream that remembers what it was sent
//
// The suite needs its build tag, Node 20 and Chromium:
//
//	npm ci --prefix e2e/provider && npm ci --prefix e2e/auth0
//	for part in react vue express; do npm ci --prefix examples/shop/$part; done
//	(cd e2e/dex && CGO_ENABLED=0 go build -o bin/dex github.com/dexidp/dex/cmd/dex)
//	(cd e2e/goidc && CGO_ENABLED=0 go build -o bin/goidc .)
//	(cd e2e/caddy && CGO_ENABLED=0 go build -o bin/caddy github.com/caddyserver/caddy/v2/cmd/caddy)
//	(cd e2e/traefik && CGO_ENABLED=0 go build -o bin/traefik github.com/traefik/traefik/v3/cmd/traefik)
//	(cd e2e/h2spec && CGO_ENABLED=0 go build -o bin/h2spec github.com/summerwind/h2spec/cmd/h2spec)
//	apt-get install nginx-light haproxy
//	go test -tags e2e -count=1 ./e2e/...
//
// A part that is missing skips its tests by name on a developer's machine and fails them
// where CI=true. With E2E_ARTIFACTS=dir the browser's tests leave screenshots there, of
// which .ci/screenshots takes the README's.
//
// The tests in forwardauth_*_test.go run behind nginx, Caddy, Traefik and HAProxy, by the
// recipes in docs/forward-auth.
//
// The README and docs/quickstart.md are read as their readers do, command by command, and the
// pages and APIs of docs/tutorials take part.
//
// The scenarios in scenario_*_test.go run on one gateway with bbolt and on replicas with
// Redis, before a development provider that forgives nothing. Each adds a line to a table:
// what the provider counted, and the verdict. E2E_TABLE names a file for it; with
// E2E_LONG=1 outages last a minute, kills are a hundred, sessions are a hundred thousand, and
// Sentinel and Cluster take part.
//
//	E2E_LONG=1 E2E_TABLE=table.txt go test -tags e2e -count=1 -parallel 6 -timeout 60m ./e2e
//
// Whatever a test does, it ends with a search: every code and token that the provider
// ever made, and the ticket, in the gateway's logs, its store file and its metrics, in what
// the browser saw and in what the upstream got. When all tests are over, the logs, audit
// lines, panics, traces, metrics and explanations of all their gateways are searched once more,
// for every code, token, verifier and secret that any of the providers made or heard, and every
// ticket.
package e2e
