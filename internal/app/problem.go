package app

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/cloakroom-bff/cloakroom/session"
)

// problem is an error of the admin listener with its answer (RFC 9457). Codes are those of
// the gateway's own, where they have one.
type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Code   string `json:"code"`
	Detail string `json:"detail,omitempty"`
	// Ended is how many sessions an act had ended when it failed; nil if it ends none.
	Ended *int `json:"ended,omitempty"`

	err error // what only a log may have; nil if that is the detail
}

func newProblem(status int, code, detail string) *problem {
	return &problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Code: code, Detail: detail}
}

func badRequest(format string, args ...any) *problem {
	return newProblem(http.StatusBadRequest, "bad_request", fmt.Sprintf(format, args...))
}

// Error implements error. The text is for logs.
func (p *problem) Error() string {
	if p.err != nil {
		return p.err.Error()
	}
	return p.Code + ": " + p.Detail
}

// problemOf is the answer to an error. The detail of one that it does not know is for the
// log.
func problemOf(err error) *problem {
	if p, ok := errors.AsType[*problem](err); ok {
		return p
	}
	if errors.Is(err, session.ErrNoSession) {
		return newProblem(http.StatusNotFound, "not_found", "No live session has this id; perhaps it has ended already.")
	}
	p := newProblem(http.StatusServiceUnavailable, "gateway_misconfigured", "The gateway cannot do this; its log says why.")
	if _, ok := errors.AsType[*session.StoreError](err); ok {
		p = newProblem(http.StatusServiceUnavailable, "store_unavailable", "The session store does not answer. Ask again.")
	}
	p.err = err
	return p
}
