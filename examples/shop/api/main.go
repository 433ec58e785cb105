// Command api is the shop's API, as any resource server is that checks the access tokens
// that it gets. It knows nothing of cookies, sign-ins and the gateway.
//
//	go run ./examples/shop/api
//	curl -i http://localhost:9000/api/orders      401: there is no token
package main

import (
	"context"
	"encoding/json"
	"flag"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

func main() {
	listen := flag.String("listen", "localhost:9000", "where the API listens")
	issuer := flag.String("issuer", "http://localhost:3000/realms/shop", "who signs the tokens")
	audience := flag.String("audience", "https://orders.example.com", "whom the tokens are for: this API")
	flag.Parse()
	if err := serve(*listen, *issuer, *audience); err != nil {
		slog.Error(err.Error())
		os.Exit(1)
	}
}

func serve(listen, issuer, audience string) error {
	provider, err := oidc.NewProvider(context.Background(), issuer)
	if err != nil {
		return err
	}
	// Signature, issuer, expiry and audience are checked; the keys are fetched as needed.
	tokens := provider.Verifier(&oidc.Config{ClientID: audience})

	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/orders", withToken(tokens, orders))
	server := &http.Server{Addr: listen, Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	slog.Info("the API listens on http://" + listen)
	return server.ListenAndServe()
}

// withToken lets a request pass whose bearer token is good (RFC 6750).
func withToken(tokens *oidc.IDTokenVerifier, next func(http.ResponseWriter, *oidc.IDToken)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		raw, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !ok {
			w.Header().Set("WWW-Authenticate", "Bearer")
			http.Error(w, "a token is needed", http.StatusUnauthorized)
			return
		}
		token, err := tokens.Verify(r.Context(), raw)
		if err != nil {
			slog.Info("a token was refused", "err", err)
			// The gateway answers this with a fresh token, once.
			w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
			http.Error(w, "the token is no good", http.StatusUnauthorized)
			return
		}
		next(w, token)
	}
}

// orders answers with what the user has ordered: sub is who that is.
func orders(w http.ResponseWriter, token *oidc.IDToken) {
	w.Header().Set("Content-Type", "application/json")
	err := json.NewEncoder(w).Encode(map[string]any{
		"user":   token.Subject,
		"orders": []map[string]any{{"id": 1, "item": "a coat"}, {"id": 2, "item": "an umbrella"}},
	})
	if err != nil {
		slog.Info("nobody heard the answer", "err", err)
	}
}
