package demo

import (
	"net/http"
	"net/url"
	"strconv"
)

// Door stands in front of the gateway and tells the desk, by a header, what the browser
// brought along: the name of the ticket's cookie and its size. The desk cannot see it
// otherwise, because the gateway hands no ticket to an upstream; and the page's script
// cannot, because the cookie is HttpOnly.
func Door(ticket string, gateway http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != DeskPath+"state" {
			gateway.ServeHTTP(w, r)
			return
		}
		r = r.Clone(r.Context())
		r.Header.Del(cookieHeader)
		if c, err := r.Cookie(ticket); err == nil {
			seen := url.Values{"name": {c.Name}, "bytes": {strconv.Itoa(len(c.Name) + 1 + len(c.Value))}}
			r.Header.Set(cookieHeader, seen.Encode())
		}
		gateway.ServeHTTP(w, r)
	})
}

const cookieHeader = "X-Demo-Cookie"

// cookie is what the browser brought along.
type cookie struct {
	Name  string `json:"name"`
	Bytes int    `json:"bytes"` // of name and value
}

func readCookie(r *http.Request) *cookie {
	seen, err := url.ParseQuery(r.Header.Get(cookieHeader))
	if err != nil || seen.Get("name") == "" {
		return nil
	}
	size, err := strconv.Atoi(seen.Get("bytes"))
	if err != nil {
		return nil
	}
	return &cookie{Name: seen.Get("name"), Bytes: size}
}
