package proxy

import (
	"crypto/rand"
	"fmt"
	"net/http"
)

// tellParent answers a silent login in a frame (OpenID Connect Core §3.1.2.6): a page that
// posts {source: "bff-silent-login", isLoggedIn} to the page around it, if that is one of
// this origin.
func (g *Gateway) tellParent(w http.ResponseWriter, isLoggedIn bool) error {
	nonce := rand.Text()
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy",
		"default-src 'none'; script-src 'nonce-"+nonce+"'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'")
	w.WriteHeader(http.StatusOK)
	// Nothing but the nonce and a boolean goes into the page.
	_, err := fmt.Fprintf(w, `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Silent sign-in</title>
<script nonce="%s">parent.postMessage({source: "bff-silent-login", isLoggedIn: %t}, location.origin)</script>
</html>
`, nonce, isLoggedIn)
	if err != nil {
		return fmt.Errorf("proxy: write answer: %w", err)
	}
	return nil
}
