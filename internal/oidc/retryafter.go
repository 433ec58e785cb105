package oidc

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// longestWish is the most that a provider may ask to be left alone.
const longestWish = 5 * time.Minute

// retryAfter is how long the provider wants to be left alone: the longest that it says,
// at most five minutes. The reset of a rate limit is read if limited says that the limit
// is why; some providers send it with every answer.
func retryAfter(h http.Header, limited bool, now time.Time) time.Duration {
	wish := until(h.Get("Retry-After"), now)
	if limited {
		for _, name := range []string{"X-Ratelimit-Reset", "X-Rate-Limit-Reset", "Ratelimit-Reset"} {
			wish = max(wish, until(h.Get(name), now))
		}
	}
	return min(wish, longestWish)
}

// until reads seconds from now, a Unix time in seconds (above 10^9) or an HTTP date
// (RFC 9110 §10.2.3). Anything else, and what has passed, is zero.
func until(value string, now time.Time) time.Duration {
	value = strings.TrimSpace(value)
	if seconds, err := strconv.ParseFloat(value, 64); err == nil {
		const unixTimes = 1e9
		if seconds > unixTimes {
			seconds -= float64(now.UnixMilli()) / 1000
		}
		return duration(seconds)
	}
	if date, err := http.ParseTime(value); err == nil {
		return max(date.Sub(now), 0)
	}
	return 0
}

// duration is a number of seconds within what anybody here waits.
func duration(seconds float64) time.Duration {
	switch {
	case seconds > longestWish.Seconds():
		return longestWish
	case seconds > 0: // NaN is not
		return time.Duration(seconds * float64(time.Second))
	}
	return 0
}
