package oidc

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// Bounds of what a provider may answer.
const (
	maxBody   = 1 << 20  // bytes, decompressed
	maxHeader = 64 << 10 // bytes
)

var errTooBig = errors.New("answer is larger than 1 MiB")

// transportOf returns the transport for all calls: one of our own if it can be.
func transportOf(rt http.RoundTripper) http.RoundTripper {
	given, ok := rt.(*http.Transport)
	if rt == nil {
		given, ok = http.DefaultTransport.(*http.Transport)
	}
	switch {
	case ok:
		given = given.Clone()
	case rt != nil:
		return rt
	default: // somebody has put something else in DefaultTransport's place
		given = &http.Transport{Proxy: http.ProxyFromEnvironment}
	}
	given.Protocols = new(http.Protocols)
	given.Protocols.SetHTTP1(true)
	given.ForceAttemptHTTP2 = false
	// A transport that has been used has written HTTP/2 into these, too.
	given.TLSNextProto = make(map[string]func(string, *tls.Conn) http.RoundTripper)
	if given.TLSClientConfig != nil {
		given.TLSClientConfig.NextProtos = []string{"http/1.1"} // a clone's
	}
	given.MaxResponseHeaderBytes = maxHeader
	given.MaxIdleConnsPerHost = 16
	// Below what load balancers allow, so that we close an idle connection before they
	// do: a request that meets a closing connection counts as sent.
	given.IdleConnTimeout = 20 * time.Second
	return given
}

// noRedirect hands a 3xx to the caller. A redirect must never carry a credential to where
// neither the configuration nor the metadata sent it.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// safeRedirect follows a few redirects that stay within TLS, or within this machine.
func safeRedirect(req *http.Request, via []*http.Request) error {
	const most = 5
	if len(via) >= most {
		return fmt.Errorf("stopped after %d redirects", most)
	}
	if via[0].URL.Scheme == "https" && req.URL.Scheme != "https" {
		return fmt.Errorf("refused a redirect from https to %s", req.URL.Scheme)
	}
	return checkEndpoint("redirect", req.URL.String())
}

// statusError is an answer that was not 200.
type statusError struct{ status int }

func (e *statusError) Error() string { return fmt.Sprintf("HTTP status %d", e.status) }

// get fetches a public document. endpoint names it for metrics.
func (c *Client) get(ctx context.Context, endpoint, url string) (_ []byte, err error) {
	ctx, call := c.begin(ctx, endpoint)
	defer func() { call.end(err) }()
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	resp, err := c.open.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, &statusError{resp.StatusCode}
	}
	return readBody(resp.Body)
}

// readBody reads a body whole, or what came of it and the reason why it is not whole.
func readBody(r io.Reader) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r, maxBody+1))
	if len(body) > maxBody {
		return body[:maxBody], errTooBig
	}
	return body, err
}
