package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"syscall"
)

// publicURL asks for the session from where browsers do. From this machine that may fail
// where it works for them, so that not reaching it is no failure.
func (e *exam) publicURL(ctx context.Context, c *chart) {
	const check = "public_url"
	address := e.cfg.PublicURL.String() + e.cfg.BasePath + "/session"
	b := e.web.trusting(nil, nil)
	a, err := b.get(ctx, address)
	switch {
	case errors.Is(err, syscall.ECONNREFUSED) && !e.running:
		c.pass(check, fmt.Sprintf("nobody answers at %s yet, and the gateway is not running", e.cfg.PublicURL))
		return
	case err != nil:
		found, remedy := explain(err, "")
		c.warn(check, "public_url cannot be reached from this machine: "+found, remedy+"; if browsers do reach it, all is well")
		return
	}
	var session struct {
		Authenticated *bool `json:"authenticated"`
	}
	switch {
	case json.Unmarshal(a.body, &session) == nil && session.Authenticated != nil && a.status == http.StatusOK:
		c.pass(check, "the gateway answers at "+address)
	case a.header.Get("Cloakroom-Error") != "":
		c.warn(check, fmt.Sprintf("the gateway answers at %s with status %d, %s", address, a.status, a.header.Get("Cloakroom-Error")),
			map[bool]string{true: "let the proxy in front pass the Host on as it is", false: "look at the gateway's log"}[a.status == http.StatusNotFound])
	default:
		c.warn(check, fmt.Sprintf("somebody else than the gateway answers at %s, with status %d", address, a.status),
			fmt.Sprintf("let the proxy in front pass %s on to the gateway", e.cfg.BasePath))
	}
}
