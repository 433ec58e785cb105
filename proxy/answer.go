package proxy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
)

// ownHeaders sets what every answer of the gateway itself carries, and under https that the
// browser comes by https only for a year (RFC 6797 §6.1). Of sibling domains it says nothing:
// those are not ours.
func (g *Gateway) ownHeaders(h http.Header) {
	ownHeaders(h)
	if g.cfg.PublicURL.Scheme == "https" {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
}

// ownHeaders is what does not depend on the gateway: nobody stores the answer, no other
// origin embeds it, no browser guesses its type, and a cache on the way knows what it
// depends on.
func ownHeaders(h http.Header) {
	h.Set("Cache-Control", "no-store")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Vary", "Sec-Fetch-Site, Origin, Cookie")
}

// writeJSON answers one of the gateway's own endpoints with v.
func writeJSON(w http.ResponseWriter, status int, v any) error {
	return encodeJSON(w, "application/json", status, v)
}

// encodeJSON writes v. It is encoded as a whole before the status goes out, so that a
// value that has no JSON is still an error that can be answered.
func encodeJSON(w http.ResponseWriter, mediaType string, status int, v any) error {
	var b bytes.Buffer
	if err := json.NewEncoder(&b).Encode(v); err != nil {
		return fmt.Errorf("proxy: encode answer: %w", err)
	}
	w.Header().Set("Content-Type", mediaType)
	w.WriteHeader(status)
	if _, err := w.Write(b.Bytes()); err != nil {
		return fmt.Errorf("proxy: write answer: %w", err)
	}
	return nil
}
