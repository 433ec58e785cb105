package oidc

import (
	"fmt"
	"net/http"
	"testing"
	"time"
)

func TestTheProvidersWishToBeLeftAloneIsRead(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)
	in := func(d time.Duration) string { return fmt.Sprint(now.Add(d).Unix()) }
	for _, row := range []struct {
		name    string
		header  http.Header
		limited bool
		want    time.Duration
	}{
		{"nothing", nil, true, 0},
		{"seconds", http.Header{"Retry-After": {"12"}}, false, 12 * time.Second},
		{"a date", http.Header{"Retry-After": {now.Add(time.Minute).Format(http.TimeFormat)}}, false, time.Minute},
		{"a date gone by", http.Header{"Retry-After": {now.Add(-time.Minute).Format(http.TimeFormat)}}, false, 0},
		{"a date far ahead", http.Header{"Retry-After": {now.Add(24 * time.Hour).Format(http.TimeFormat)}}, false, 5 * time.Minute},
		{"negative", http.Header{"Retry-After": {"-5"}}, false, 0},
		{"nonsense", http.Header{"Retry-After": {"later"}}, false, 0},
		{"NaN", http.Header{"Retry-After": {"NaN"}}, false, 0},
		{"for ever", http.Header{"Retry-After": {"1e308"}}, false, 5 * time.Minute},
		{"Auth0's reset", http.Header{"X-Ratelimit-Reset": {in(30 * time.Second)}}, true, 30 * time.Second},
		{"Okta's reset", http.Header{"X-Rate-Limit-Reset": {in(40 * time.Second)}}, true, 40 * time.Second},
		{"the draft's reset", http.Header{"Ratelimit-Reset": {"50"}}, true, 50 * time.Second},
		{"a reset that is not why", http.Header{"X-Ratelimit-Reset": {in(30 * time.Second)}}, false, 0},
		{"the strictest counts", http.Header{"Retry-After": {"5"}, "Ratelimit-Reset": {"50"}, "X-Rate-Limit-Reset": {in(40 * time.Second)}}, true, 50 * time.Second},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			if got := retryAfter(row.header, row.limited, now); got != row.want {
				t.Errorf("got %v, want %v", got, row.want)
			}
		})
	}
}
