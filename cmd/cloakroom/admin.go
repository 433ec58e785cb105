package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/config"
)

// adminClient speaks to the running gateway's admin listener, which the configuration
// names.
type adminClient struct {
	address string
	token   string // empty: none is set
	http    *http.Client
}

// newAdminClient makes one whose calls take so long at most; zero means any time.
func newAdminClient(cfg config.Admin, timeout time.Duration) *adminClient {
	return &adminClient{
		address: reachable(cfg.Listen), token: cfg.Token.Reveal(),
		// No proxy from the environment: the listener is on this machine, or near.
		http: &http.Client{Transport: &http.Transport{}, Timeout: timeout},
	}
}

// refusal is an answer of the admin listener that is an error (RFC 9457).
type refusal struct {
	Status int    `json:"status"`
	Code   string `json:"code"`
	Detail string `json:"detail"`
	Ended  int    `json:"ended"` // sessions that had ended by then
}

// Error implements error.
func (r *refusal) Error() string {
	text := fmt.Sprintf("%s (%s)", r.Detail, r.Code)
	if r.Ended > 0 {
		text += fmt.Sprintf("; %s by then", endedText(r.Ended))
	}
	return text
}

// call sends one request and decodes its answer into answer. What the gateway calls a bad
// request is wrong usage.
func (c *adminClient) call(ctx context.Context, method, path string, query url.Values, answer any) error {
	res, err := c.send(ctx, method, path, query)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(answer); err != nil {
		return fmt.Errorf("the admin listener's answer cannot be read: %w", err)
	}
	return nil
}

// download writes an answer to the writer that to returns, which is told its size first. An
// answer that is cut off is an error.
func (c *adminClient) download(ctx context.Context, path string, to func(size int64) (io.Writer, error)) error {
	res, err := c.send(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.ContentLength < 0 {
		return errors.New("the admin listener does not say how long its answer is; is it this version's gateway?")
	}
	out, err := to(res.ContentLength)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, res.Body); err != nil {
		return fmt.Errorf("the copy did not come to its end: %w", err)
	}
	return nil
}

// send sends one request and returns an answer that is no error, for the caller to close.
func (c *adminClient) send(ctx context.Context, method, path string, query url.Values) (*http.Response, error) {
	u := url.URL{Scheme: "http", Host: c.address, Path: path, RawQuery: query.Encode()}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), nil)
	if err != nil {
		return nil, err
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("the admin listener does not answer; does the gateway run, and is admin.listen its address? %w", err)
	}
	if res.StatusCode != http.StatusOK {
		return nil, errors.Join(readRefusal(res), res.Body.Close())
	}
	return res, nil
}

func readRefusal(res *http.Response) error {
	body, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	if err != nil {
		return err
	}
	r := refusal{}
	if err := json.Unmarshal(body, &r); err != nil || r.Code == "" {
		return fmt.Errorf("the admin listener answered %s; is it this version's gateway?", res.Status)
	}
	if res.StatusCode == http.StatusBadRequest {
		return &usageError{&r}
	}
	return &r
}

// reachable is where a listen address is reached from this machine: one that listens on
// all addresses is reached on loopback.
func reachable(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return listen
	}
	if addr, err := netip.ParseAddr(host); host == "" || err == nil && addr.IsUnspecified() {
		host = "127.0.0.1"
		if err == nil && addr.Is6() {
			host = "::1"
		}
	}
	return net.JoinHostPort(host, port)
}
