package load

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// streams is how many requests share a connection of HTTP/2 at a time.
const streams = 10

// H2load sends a request over HTTP/2, ten at a time on each connection. It knows no file of
// cookies, and no body.
func H2load(ctx context.Context, q Request, s Shape) (r Result, err error) {
	dir, err := os.MkdirTemp("", "bench-h2load")
	if err != nil {
		return r, err
	}
	defer func() { _ = os.RemoveAll(dir) }() // a leftover harms nobody
	log := filepath.Join(dir, "requests")
	args := []string{"-t1", "-c" + strconv.Itoa(s.Connections), "-m" + strconv.Itoa(streams), "-D", strconv.Itoa(int(s.Duration.Seconds())), "--log-file", log}
	for _, h := range q.Header {
		args = append(args, "-H", h)
	}
	cmd := exec.CommandContext(ctx, "h2load", append(args, q.URL)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return r, ran(cmd, out, err)
	}
	// What was under way when the time was over is no failure, and is not in the log.
	return readH2load(log, q, s.Duration)
}

// readH2load reads a log: the start of each request in microseconds, the status, and how
// many microseconds it took.
func readH2load(name string, q Request, took time.Duration) (r Result, err error) {
	log, err := os.Open(name)
	if err != nil {
		return r, err
	}
	defer func() { _ = log.Close() }() // it was only read
	var latencies []time.Duration
	for lines := bufio.NewScanner(log); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) != 3 {
			return r, fmt.Errorf("load: h2load logged %q", lines.Text())
		}
		if fields[1] != "200" {
			return r, fmt.Errorf("load: %s answered %s over HTTP/2", q.URL, fields[1])
		}
		us, err := strconv.ParseInt(fields[2], 10, 64)
		if err != nil {
			return r, fmt.Errorf("load: h2load logged %q: %w", lines.Text(), err)
		}
		latencies = append(latencies, time.Duration(us)*time.Microsecond)
	}
	if len(latencies) == 0 {
		return r, errNothing
	}
	r = Result{Requests: int64(len(latencies)), Took: took}
	r.percentiles(latencies)
	return r, nil
}
