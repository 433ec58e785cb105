//go:build e2e

package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"testing"
	"time"
)

// A transmitter is a Node process that signs security events with jose and pushes them.
type transmitter struct {
	t      *testing.T
	issuer string
}

func startTransmitter(t *testing.T) *transmitter {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		missing(t, "node", "install Node 20 or later")
	}
	if _, err := os.Stat("provider/node_modules/jose"); err != nil {
		missing(t, "jose", "npm ci --prefix e2e/provider")
	}
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), node, "transmitter.mjs")
	cmd.Dir = "provider"
	cmd.Stderr = t.Output()
	if _, err := cmd.StdinPipe(); err != nil { // it ends with us, however we end
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	var hello struct{ Issuer string }
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &hello)
	}
	if err != nil {
		t.Fatal("the transmitter ended before it said where it listens: ", err)
	}
	return &transmitter{t, hello.Issuer}
}

// pushed is what is asked of the transmitter.
type pushed struct {
	To            string         `json:"to"`
	Claims        map[string]any `json:"claims,omitempty"`
	Header        map[string]any `json:"header,omitempty"`
	Key           string         `json:"key,omitempty"`
	Token         string         `json:"token,omitempty"` // as it is, in the place of Claims
	Authorization string         `json:"authorization,omitempty"`
	Type          string         `json:"type,omitempty"`
}

// received is what the receiver answered.
type received struct {
	Status int    `json:"status"`
	Type   string `json:"type"`
	Body   string `json:"body"`
	Token  string `json:"token"` // that was sent
}

func (r received) code() string {
	var body struct {
		Err string `json:"err"`
	}
	_ = json.Unmarshal([]byte(r.Body), &body) // a 202 has no body
	return body.Err
}

func (x *transmitter) send(d pushed) (got received) {
	x.t.Helper()
	path := "/send"
	if d.Claims == nil {
		path = "/push"
	}
	body, err := json.Marshal(d)
	if err != nil {
		x.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(x.t.Context(), http.MethodPost, x.issuer+path, bytes.NewReader(body))
	if err != nil {
		x.t.Fatal(err)
	}
	res, err := (&http.Client{Timeout: 20 * time.Second}).Do(req)
	if err != nil {
		x.t.Fatal(err)
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(&got); err != nil {
		x.t.Fatal(err)
	}
	return got
}
