package app

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/telemetry"
)

// copied is a store that can be copied while it is in use: the file, wherever it is open.
type copied interface {
	Backup(ctx context.Context, to func(size int64) (io.Writer, error)) error
}

// slowest is how long one piece of a backup may take on its way to whoever asked for it.
// Until the copy is done the store uses no page again that it frees, and does not close.
const slowest = 10 * time.Second

// sendBackup answers GET /backup with the file as it is at this moment: sealed records, in
// as many bytes as Content-Length says. Less than that is no backup.
func (o *operators) sendBackup(w http.ResponseWriter, r *http.Request) (begun bool, err error) {
	file, ok := o.store.(copied)
	if !ok {
		return false, badRequest("session.store is no file of this process: back up where it is.")
	}
	out := http.NewResponseController(w)
	err = file.Backup(r.Context(), func(size int64) (io.Writer, error) {
		begun = true
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		return hurried{w, out}, nil
	})
	if begun {
		err = errors.Join(err, out.SetWriteDeadline(time.Time{}))
	}
	return begun, err
}

// hurried is an answer that nobody may hold up.
type hurried struct {
	io.Writer
	deadlines *http.ResponseController
}

// Write implements io.Writer.
func (h hurried) Write(p []byte) (int, error) {
	if err := h.deadlines.SetWriteDeadline(time.Now().Add(slowest)); err != nil {
		return 0, err
	}
	return h.Writer.Write(p)
}

// download is an act of an operator whose answer is no JSON. What fails once it has begun
// cuts the connection, which nobody can mistake for the end.
func (a *admin) download(name string, send func(http.ResponseWriter, *http.Request) (begun bool, err error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		act, begun := telemetry.Act{Name: name, By: peerOf(r), Status: http.StatusOK}, false
		act.Err = unauthorized()
		if a.permits(r) {
			begun, act.Err = send(w, r)
		}
		if act.Err == nil {
			a.audit.Operator(r.Context(), act)
			return
		}
		p := problemOf(act.Err)
		act.Status = p.Status
		a.audit.Operator(r.Context(), act)
		if begun {
			panic(http.ErrAbortHandler)
		}
		a.fail(w, p)
	})
}
