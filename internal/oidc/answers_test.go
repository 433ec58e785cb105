package oidc_test

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
)

// silence stops a test server from telling of the handshakes that a test spoils.
func silence(server *http.Server) {
	server.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
}

func writeJSON(t *testing.T, w http.ResponseWriter, status int, v any) {
	t.Helper()
	body, err := json.Marshal(v)
	if err != nil {
		t.Error(err)
	}
	answerWith(t, w, status, string(body))
}

// answerWith answers with a body and the type that it looks like.
func answerWith(t *testing.T, w http.ResponseWriter, status int, body string) {
	t.Helper()
	switch {
	case w.Header().Get("Content-Type") != "":
	case strings.HasPrefix(body, "<"):
		w.Header().Set("Content-Type", "text/html")
	default:
		w.Header().Set("Content-Type", "application/json")
	}
	w.WriteHeader(status)
	if _, err := io.WriteString(w, body); err != nil {
		t.Error(err)
	}
}
