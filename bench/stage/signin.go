package stage

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/devidp"
)

// signIn walks a login as a browser does, beginning at the path that leads to the provider,
// sees that a call then succeeds, and sets the side's cookie. What its provider has at the
// other end is one of ours.
func (s *Side) signIn(ctx context.Context, transport http.RoundTripper, begin string) error {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return err
	}
	client := &http.Client{Jar: jar, Transport: transport, Timeout: 10 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	login, err := untilReady(ctx, client, s.Origin+begin)
	if err != nil {
		return err
	}
	callback, err := devidp.SignIn(ctx, client, login, "alice")
	if err != nil {
		return err
	}
	status, _, err := navigate(ctx, client, callback, "cross-site")
	if err != nil {
		return err
	}
	call, err := url.Parse(s.Origin + "/api/1k")
	if err != nil {
		return err
	}
	var cookies []string
	for _, c := range jar.Cookies(call) {
		cookies = append(cookies, c.Name+"="+c.Value)
	}
	s.Cookie = strings.Join(cookies, "; ")
	if again, _, err := navigate(ctx, client, call.String(), "same-origin"); err != nil || again != http.StatusOK {
		return fmt.Errorf("the callback answered %d, and the call after it %d: %w", status, again, err)
	}
	return nil
}

// SignIn signs another browser in at a gateway, and returns its Cookie header. It is safe for
// concurrent use.
func (st *Stage) SignIn(ctx context.Context, s *Side) (cookie string, err error) {
	other := *s
	err = other.signIn(ctx, st.transport(), "/bff/login")
	return other.Cookie, err
}

// untilReady begins a login until it leads to the provider, and returns where.
func untilReady(ctx context.Context, client *http.Client, begin string) (location string, err error) {
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	status := 0
	for range 100 {
		if status, location, err = navigate(ctx, client, begin, "none"); err == nil && status == http.StatusFound {
			return location, nil
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
	return "", fmt.Errorf("the login answered %d: %w", status, err)
}

// navigate is a click on a link, or a typed address.
func navigate(ctx context.Context, client *http.Client, target, site string) (status int, location string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Accept", "text/html")
	req.Header.Set("Sec-Fetch-Site", site)
	req.Header.Set("Sec-Fetch-Mode", "navigate")
	req.Header.Set("Sec-Fetch-Dest", "document")
	res, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	return res.StatusCode, res.Header.Get("Location"), err
}
