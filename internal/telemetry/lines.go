package telemetry

import (
	"io"
	"sync"
	"time"
)

// Lines writes log lines. On a quiet gateway each goes out at once; under load they
// gather, for a tenth of a second at most, so that a line does not cost a system call.
// It is safe for concurrent use. Close writes the rest; a process that is killed loses
// what has gathered.
type Lines struct {
	to io.Writer

	mu      sync.Mutex
	buf     []byte      // guarded by mu: whole lines
	flushed time.Time   // guarded by mu: when something was last written
	timer   *time.Timer // guarded by mu: nil unless lines wait
}

const (
	gatherFor = 100 * time.Millisecond
	gatherMax = 32 << 10
)

// NewLines returns a Lines that writes to w.
func NewLines(w io.Writer) *Lines { return &Lines{to: w} }

// Write takes a whole line.
func (l *Lines) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.buf = append(l.buf, line...)
	if len(l.buf) >= gatherMax {
		return len(line), l.flush()
	}
	if l.timer != nil {
		return len(line), nil
	}
	if time.Since(l.flushed) >= gatherFor {
		return len(line), l.flush()
	}
	l.timer = time.AfterFunc(gatherFor, func() { _ = l.Close() }) // a log that cannot be written has nobody to tell
	return len(line), nil
}

// Close writes what has gathered. More may be written afterwards.
func (l *Lines) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.flush()
}

// flush is called with mu held.
func (l *Lines) flush() error {
	if l.timer != nil {
		l.timer.Stop()
		l.timer = nil
	}
	if len(l.buf) == 0 {
		return nil
	}
	_, err := l.to.Write(l.buf)
	l.buf, l.flushed = l.buf[:0], time.Now()
	return err
}
