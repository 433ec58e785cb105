package proxy

import (
	"net/http"
	"strings"
)

// request is what the headers of a request say about who sent it. Scripts cannot set
// Sec-Fetch-* or Origin (Fetch §4.6), so these are the browser's own words.
type request struct {
	// navigation: a person goes somewhere, so a login can be put in between.
	navigation bool
	// page: whoever reads the answer wants HTML: a navigation, or one with another
	// method, such as a form that was sent.
	page bool
	// topLevel: a plain navigation of a whole tab.
	topLevel bool
	// crossSite: another site sent the browser here.
	crossSite bool
	// sameOrigin: a page of our own origin sent it.
	sameOrigin bool
	// metadata: the browser sends fetch metadata at all.
	metadata bool
}

// classify reads a request's headers.
func (g *Gateway) classify(r *http.Request) request { return classify(r) }

func classify(r *http.Request) request {
	site, mode, dest := one(r.Header, "Sec-Fetch-Site"), one(r.Header, "Sec-Fetch-Mode"), one(r.Header, "Sec-Fetch-Dest")
	q := request{
		metadata:   site != "" || mode != "" || dest != "",
		crossSite:  site == "cross-site",
		sameOrigin: site == "same-origin",
	}
	get := r.Method == http.MethodGet
	if q.metadata {
		q.page = mode == "navigate"
		q.topLevel = get && q.page && dest == "document"
	} else {
		q.page = acceptsHTML(r.Header["Accept"])
		q.topLevel = get && q.page
	}
	q.page = q.page && !strings.EqualFold(one(r.Header, "X-Requested-With"), "XMLHttpRequest")
	q.navigation = q.page && get && !prefetch(r.Header)
	return q
}

// checkCSRF judges a request that carries the ticket or would get a token: nil, or a
// *Problem with csrf_failed.
//
// The attack: a page elsewhere makes the victim's browser send a request, and the browser
// adds the cookie by itself. SameSite does not stop a sibling subdomain; a custom header
// alone would stop <img>, EventSource and WebSocket of our own pages. So the browser's
// word on who asks decides, on GET too, and a foreign Origin fails whatever else is there.
func (g *Gateway) checkCSRF(r *http.Request) error {
	if !believed(r, g.origin) && !g.fromPage(r) {
		return &Problem{Code: CSRFFailed, Detail: "This request did not come from a page of this application."}
	}
	return nil
}

func believed(r *http.Request, public string) bool { return testify(r, public).believed() }

// testimony is what a request's headers say about the page that sent it.
type testimony int

// The testimonies. The first ones are believed.
const (
	bySameOrigin testimony = iota
	byNavigation
	byOrigin
	byOwnHeader
	byAccept
	foreignOrigin
	foreignSite
	silence
)

// believed reports whether the page that sent the request is one of ours, or none.
func (t testimony) believed() bool { return t < foreignOrigin }

// testify reads what a request says about who sent it.
func testify(r *http.Request, public string) testimony {
	origin := r.Header["Origin"]
	if len(origin) > 1 || len(origin) == 1 && origin[0] != public {
		return foreignOrigin
	}
	switch q := classify(r); {
	case q.metadata && q.sameOrigin:
		return bySameOrigin
	case q.metadata && q.topLevel && knownSite(one(r.Header, "Sec-Fetch-Site")):
		return byNavigation
	case q.metadata:
		return foreignSite
	case len(origin) == 1: // A WebSocket handshake accepts no HTML; it passes by its Origin.
		return byOrigin
	case one(r.Header, "X-Csrf") == "1":
		return byOwnHeader
	case q.topLevel:
		return byAccept
	}
	return silence
}

// knownSite reports whether a top-level navigation may come from there: another site, a
// sibling, or the address bar.
func knownSite(site string) bool {
	return site == "cross-site" || site == "same-site" || site == "none"
}

// one returns the header's value if there is exactly one line of it, "" if there is none,
// and a value that nothing believes if there are more: whoever repeats it hopes that two
// readers choose differently. name is canonical.
func one(h http.Header, name string) string {
	switch v := h[name]; len(v) {
	case 0:
		return ""
	case 1:
		return v[0]
	}
	return "repeated"
}

// acceptsHTML reports whether an Accept header names text/html with a quality above zero.
func acceptsHTML(accept []string) bool {
	for _, line := range accept {
		for item := range strings.SplitSeq(line, ",") {
			media, params, _ := strings.Cut(item, ";")
			if !strings.EqualFold(strings.TrimSpace(media), "text/html") {
				continue
			}
			if q := strings.ReplaceAll(strings.ToLower(params), " ", ""); q != "q=0" && q != "q=0.0" {
				return true
			}
		}
	}
	return false
}

// prefetch reports whether the browser only warms up a page that nobody asked for yet.
func prefetch(h http.Header) bool {
	for _, name := range [...]string{"Sec-Purpose", "Purpose", "X-Moz"} {
		for _, v := range h[name] {
			if strings.Contains(strings.ToLower(v), "prefetch") {
				return true
			}
		}
	}
	return false
}
