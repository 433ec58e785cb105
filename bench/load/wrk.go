package load

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// script tells wrk what to send, and has it say in JSON how that went.
//
//go:embed wrk.lua
var script []byte

// Wrk sends a request over HTTP/1.1.
func Wrk(ctx context.Context, q Request, s Shape) (r Result, err error) {
	dir, err := os.MkdirTemp("", "bench-wrk")
	if err != nil {
		return r, err
	}
	defer func() { _ = os.RemoveAll(dir) }() // a leftover harms nobody
	lua := filepath.Join(dir, "wrk.lua")
	if err := os.WriteFile(lua, script, 0o600); err != nil {
		return r, err
	}
	args := []string{"-t1", "-c" + strconv.Itoa(s.Connections), "-d" + strconv.Itoa(int(s.Duration.Seconds())) + "s", "--timeout", "20s", "--latency", "-s", lua}
	for _, h := range q.Header {
		args = append(args, "-H", h)
	}
	args = append(args, q.URL, "--", q.Method, strconv.Itoa(q.Body), q.Cookies)
	cmd := exec.CommandContext(ctx, "wrk", args...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return r, ran(cmd, out, err)
	}
	return readWrk(string(out), q)
}

// wrkSummary is what the script prints; times are in microseconds.
type wrkSummary struct {
	Requests int64  `json:"requests"`
	Took     int64  `json:"took"`
	Bytes    int64  `json:"bytes"`
	Errors   int64  `json:"errors"`
	What     string `json:"what"` // went wrong
	P50      int64  `json:"p50"`
	P99      int64  `json:"p99"`
	P999     int64  `json:"p999"`
}

func readWrk(out string, q Request) (r Result, err error) {
	_, line, found := strings.Cut(out, "summary ")
	if !found {
		return r, fmt.Errorf("load: wrk did not say how it went:\n%s", out)
	}
	var w wrkSummary
	if err := json.NewDecoder(strings.NewReader(line)).Decode(&w); err != nil {
		return r, fmt.Errorf("load: wrk: %w", err)
	}
	switch {
	case w.Errors > 0:
		return r, fmt.Errorf("load: %d of %d requests to %s failed: %s", w.Errors, w.Requests, q.URL, w.What)
	case w.Requests == 0:
		return r, errNothing
	case w.Bytes/w.Requests < q.Size:
		return r, fmt.Errorf("load: %s answered %d bytes each time, want %d", q.URL, w.Bytes/w.Requests, q.Size)
	}
	us := func(n int64) time.Duration { return time.Duration(n) * time.Microsecond }
	return Result{w.Requests, us(w.Took), us(w.P50), us(w.P99), us(w.P999)}, nil
}
