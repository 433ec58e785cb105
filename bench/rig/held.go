package rig

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Held is what the gateway's process holds at a moment.
type Held struct {
	RSS        int64 `json:"rss"`  // bytes that are resident
	Heap       int64 `json:"heap"` // bytes of it that Go's heap has in use
	Goroutines int64 `json:"goroutines"`
	Files      int64 `json:"files"` // file descriptors, sockets too
}

// Held reads it from the system, and from the gateway's metrics.
func (g *Gateway) Held(ctx context.Context) (h Held, err error) {
	m, err := g.process.Memory()
	if err != nil {
		return h, err
	}
	h.RSS = m.RSS
	open, err := os.ReadDir(filepath.Join("/proc", strconv.Itoa(g.process.Pid()), "fd"))
	if err != nil {
		return h, fmt.Errorf("rig: %w", err)
	}
	h.Files = int64(len(open))
	var text bytes.Buffer
	if _, err := g.look(ctx, "/metrics", &text); err != nil {
		return h, err
	}
	for name, to := range map[string]*int64{"cloakroom_go_goroutines": &h.Goroutines, "cloakroom_go_memstats_heap_inuse_bytes": &h.Heap} {
		if *to, err = metric(text.String(), name); err != nil {
			return h, err
		}
	}
	return h, nil
}

// metric is the value of one without labels.
func metric(text, name string) (int64, error) {
	for line := range strings.Lines(text) {
		if value, found := strings.CutPrefix(line, name+" "); found {
			n, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			return int64(n), err
		}
	}
	return 0, fmt.Errorf("rig: the gateway's metrics have no %s", name)
}

// CPU is the processor time that the gateway has used so far.
func (g *Gateway) CPU() (time.Duration, error) { return g.process.CPU() }
