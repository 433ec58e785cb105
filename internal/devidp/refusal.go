package devidp

import (
	"errors"
	"maps"
	"net/http"
)

// Refusal is an OAuth error answer (RFC 6749 §5.2). It is an error, so that a
// [ClaimsScript] can deny with it.
type Refusal struct {
	Status      int            `json:"status"`      // zero means 400
	Code        string         `json:"error"`       // the error code
	Description string         `json:"description"` // error_description
	More        map[string]any `json:"more"`        // further members
}

// Error implements error.
func (r *Refusal) Error() string { return "devidp: " + r.Code + ": " + r.Description }

func refuse(code, description string) *Refusal {
	return &Refusal{Code: code, Description: description}
}

// sendRefusal answers a token or revocation request with an error. What is not a Refusal
// is a server_error without detail.
func sendRefusal(w http.ResponseWriter, err error) {
	var r *Refusal
	if !errors.As(err, &r) {
		r = &Refusal{Status: http.StatusInternalServerError, Code: "server_error", Description: "something broke here"}
	}
	body := map[string]any{"error": r.Code}
	if r.Description != "" {
		body["error_description"] = r.Description
	}
	maps.Copy(body, r.More)
	status := orStatus(r.Status, http.StatusBadRequest)
	if status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Basic realm="devidp", charset="UTF-8"`)
	}
	w.Header().Set("Pragma", "no-cache")
	writeJSON(w, status, body)
}
