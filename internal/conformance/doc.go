// Package conformance replays the modules of the OpenID Foundation's test plans for relying
// parties: it holds no code but tests, one case for each module, under the module's own name.
//
//	browser ── gateway (config.yaml, listeners, store) ── API
//	               │
//	            provider that misbehaves as the module says (internal/devidp)
//
// A provider cannot see whether a client has refused a login. So each case looks at the other
// side, too: what the browser got, what /bff/session says, whether a call reached the API.
//
// The provider is the project's own, and does what a module is known to check; no code of the
// suite runs here. That is no certification, as docs/conformance.md says, whose tables these
// tests hold true.
package conformance
