package devidp

import (
	"cmp"
	"context"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

// SignIn walks through a login as a browser would, for tests without one: it opens an
// authorization URL of a provider of this package, fills in the page as login, and returns
// the callback's address without going there, that of a form with its fields as a query. A session that the client's cookie jar holds
// needs no page; a client without a jar always gets one.
func SignIn(ctx context.Context, client *http.Client, authorizeURL, login string) (callbackURL string, err error) {
	walker := *client
	walker.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	at, err := walk(ctx, &walker, http.MethodGet, authorizeURL, nil)
	if err != nil {
		return "", err
	}
	if back := readAnswerForm(at.page); back != "" {
		return back, nil
	}
	if at.status == http.StatusOK {
		action, id, ok := readPage(at.page)
		if !ok {
			return "", fmt.Errorf("devidp: %s%s shows no sign-in page", at.url.Host, at.url.Path)
		}
		target, err := at.url.Parse(action)
		if err != nil {
			return "", fmt.Errorf("devidp: the page's form leads nowhere: %w", err)
		}
		if at, err = walk(ctx, &walker, http.MethodPost, target.String(), url.Values{"request": {id}, "login": {login}}); err != nil {
			return "", err
		}
	}
	if back := readAnswerForm(at.page); back != "" {
		return back, nil
	}
	if at.status != http.StatusSeeOther {
		return "", fmt.Errorf("devidp: the provider answered %d: %s", at.status, alertOf(at.page))
	}
	return at.location, nil
}

// SignOut walks through a logout as a browser would: it opens an end-session URL of a provider
// of this package, and confirms where it is asked to. It returns the frames that the last
// page has, and where the browser is to go on to, "" for nowhere; it goes to neither.
func SignOut(ctx context.Context, client *http.Client, endSessionURL string) (frames []string, onward string, err error) {
	walker := *client
	walker.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	at, err := walk(ctx, &walker, http.MethodGet, endSessionURL, nil)
	if err != nil {
		return nil, "", err
	}
	if action, id, ok := readPage(at.page); ok {
		target, err := at.url.Parse(action)
		if err != nil {
			return nil, "", fmt.Errorf("devidp: the page's form leads nowhere: %w", err)
		}
		if at, err = walk(ctx, &walker, http.MethodPost, target.String(), url.Values{"request": {id}, "confirm": {"yes"}}); err != nil {
			return nil, "", err
		}
	}
	if at.status != http.StatusSeeOther && at.status != http.StatusOK {
		return nil, "", fmt.Errorf("devidp: the provider answered %d: %s", at.status, alertOf(at.page))
	}
	frames, onward = readFrames(at.page)
	return frames, cmp.Or(at.location, onward), nil
}

// stop is where a walk has come to.
type stop struct {
	url      *url.URL
	status   int
	location string
	page     string
}

func walk(ctx context.Context, client *http.Client, method, address string, form url.Values) (stop, error) {
	req, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(form.Encode()))
	if err != nil {
		return stop{}, fmt.Errorf("devidp: %w", err)
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := client.Do(req)
	if err != nil {
		return stop{}, fmt.Errorf("devidp: %w", err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return stop{}, fmt.Errorf("devidp: read the page: %w", err)
	}
	return stop{resp.Request.URL, resp.StatusCode, resp.Header.Get("Location"), string(text)}, nil
}

// readPage reads page.html, and no other.
func readPage(text string) (action, id string, ok bool) {
	form := regexp.MustCompile(`<form method="post" action="([^"]*)">\s*<input type="hidden" name="request" value="([^"]*)">`).FindStringSubmatch(text)
	if form == nil {
		return "", "", false
	}
	return html.UnescapeString(form[1]), html.UnescapeString(form[2]), true
}

// readAnswerForm returns where the form of an answer leads, with its fields as a query; "" if
// the page has none.
func readAnswerForm(text string) string {
	form := regexp.MustCompile(`^<!doctype html><title>One moment</title><form method="post" action="([^"]*)">`).FindStringSubmatch(text)
	if form == nil {
		return ""
	}
	values := url.Values{}
	for _, field := range regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`).FindAllStringSubmatch(text, -1) {
		values.Set(html.UnescapeString(field[1]), html.UnescapeString(field[2]))
	}
	return withQuery(html.UnescapeString(form[1]), values)
}

// readFrames reads what page.html loads, and where it goes on to.
func readFrames(text string) (frames []string, onward string) {
	for _, frame := range regexp.MustCompile(`<iframe [^>]*src="([^"]*)"`).FindAllStringSubmatch(text, -1) {
		frames = append(frames, html.UnescapeString(frame[1]))
	}
	if refresh := regexp.MustCompile(`<meta http-equiv="refresh" content="2; url=([^"]*)">`).FindStringSubmatch(text); refresh != nil {
		onward = html.UnescapeString(refresh[1])
	}
	return frames, onward
}

func alertOf(text string) string {
	alert := regexp.MustCompile(`role="alert">([^<]*)<`).FindStringSubmatch(text)
	if alert == nil {
		return "no reason given"
	}
	return html.UnescapeString(alert[1])
}
