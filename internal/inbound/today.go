package inbound

import (
	"net/http"
	"sync/atomic"
	"time"
)

// today is the line of the Date header, which changes once a second (RFC 9110 §6.6.1). The
// zero value is ready; it is safe for concurrent use.
type today struct{ last atomic.Pointer[dateLine] }

type dateLine struct {
	second int64
	text   string
}

func (d *today) line() string {
	now := time.Now()
	if l := d.last.Load(); l != nil && l.second == now.Unix() {
		return l.text
	}
	l := &dateLine{now.Unix(), "Date: " + now.UTC().Format(http.TimeFormat) + "\r\n"}
	d.last.Store(l)
	return l.text
}
