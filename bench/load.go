package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// side is one of those that are compared.
type side struct {
	name   string
	pid    int
	url    string
	cookie string
}

// round sends requests over so many connections and returns the CPU time of the process
// for each, in microseconds, and the requests per second.
func (s side) round(ctx context.Context, requests, connections int) (cost, rate float64, err error) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections, DisableCompression: true}}
	defer client.CloseIdleConnections()
	var left atomic.Int64
	left.Store(int64(requests))
	var failed atomic.Pointer[error]
	before, err := cpu(s.pid)
	if err != nil {
		return 0, 0, err
	}
	began := time.Now()
	var all sync.WaitGroup
	for range connections {
		all.Go(func() {
			for left.Add(-1) >= 0 && failed.Load() == nil {
				if err := s.request(ctx, client); err != nil {
					failed.Store(&err)
				}
			}
		})
	}
	all.Wait()
	took := time.Since(began)
	if err := failed.Load(); err != nil {
		return 0, 0, *err
	}
	after, err := cpu(s.pid)
	if err != nil {
		return 0, 0, err
	}
	return float64((after - before).Microseconds()) / float64(requests), float64(requests) / took.Seconds(), nil
}

func (s side) request(ctx context.Context, client *http.Client) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	req.Header.Set("Sec-Fetch-Mode", "cors")
	req.Header.Set("Sec-Fetch-Dest", "empty")
	if s.cookie != "" {
		req.Header.Set("Cookie", s.cookie)
	}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	n, err := io.Copy(io.Discard, res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK || n != 1024 {
		return fmt.Errorf("status %d, %d bytes", res.StatusCode, n)
	}
	return nil
}

// cpu is the user and system time that a process has used so far (proc(5), stat).
func cpu(pid int) (time.Duration, error) {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, fmt.Errorf("the CPU time of a process is read from /proc, which this system has not: %w", err)
	}
	// The command's name, in parentheses, may hold anything; what follows does not.
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	var ticks int64
	for _, f := range fields[11:13] { // utime, stime
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return time.Duration(ticks) * (time.Second / 100), nil // USER_HZ is 100 for every program
}
