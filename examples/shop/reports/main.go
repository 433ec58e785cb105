// Command reports is an API that takes no tokens: the gateway tells it who asks, in a JWT of
// its own in X-Identity, and this is how that is checked.
//
//	go run ./examples/shop/reports
//	curl -i http://localhost:9001/reports/      401: nobody says who asks
package main

import (
	"context"
	"encoding/json"
	"flag"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

func main() {
	listen := flag.String("listen", "localhost:9001", "where the API listens")
	gateway := flag.String("gateway", "http://localhost:8080", "the gateway's public_url")
	flag.Parse()
	if err := serve(*listen, *gateway); err != nil {
		slog.Error(err.Error())
		os.Exit(1)
	}
}

func serve(listen, gateway string) error {
	keys := oidc.NewRemoteKeySet(context.Background(), gateway+"/bff/jwks.json")
	identities := oidc.NewVerifier(gateway, keys, &oidc.Config{
		ClientID:             "http://" + listen, // the audience: this API, as the route's upstream has it
		SupportedSigningAlgs: []string{oidc.ES256},
	})
	mux := http.NewServeMux()
	mux.HandleFunc("GET /reports/", func(w http.ResponseWriter, r *http.Request) {
		who, err := identities.Verify(r.Context(), r.Header.Get("X-Identity"))
		if err != nil {
			http.Error(w, "the gateway does not say who you are", http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]string{"user": who.Subject}) // who left does not read it
	})
	server := &http.Server{Addr: listen, Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	slog.Info("the reports are at http://" + listen)
	return server.ListenAndServe()
}
