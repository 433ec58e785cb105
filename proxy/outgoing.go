package proxy

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// outgoing makes the upstream's request of the client's. The lines of a header that passes
// are the client's own and shared with its request: nobody writes into them.
func (rt *route) outgoing(ctx context.Context, x *exchange, r *http.Request) *http.Request {
	out := r.WithContext(ctx)
	out.URL = rt.address(x.target, r.URL)
	out.Host, out.Close = "", false
	if r.ContentLength == 0 {
		out.Body = nil
	}
	out.Header = rt.passing(x, r)
	out.Trailer = rt.passingTrailers(x, r)
	rt.introduce(out.Header, x, r)
	rt.setHeaders(out.Header, x)
	rt.credential(out.Header, x, r)
	return out
}

// address is where a request for target goes. A target that begins with one slash goes out
// as it is, as the opaque part of the URL; with two it would be taken for a host there. The
// gateway reads no query, so it has no opinion on how it must look.
func (rt *route) address(target string, in *url.URL) *url.URL {
	out := &url.URL{Scheme: wireScheme(rt.Upstream), Host: rt.Upstream.Host, RawQuery: in.RawQuery, ForceQuery: in.ForceQuery}
	if strings.HasPrefix(target, "//") {
		u, _ := pathURL(target) // targetOf has looked.
		out.Path, out.RawPath = u.Path, u.RawPath
	} else {
		out.Opaque = target
	}
	return out
}

// passing is what goes on of a client's header. What belongs to the connection stays behind
// before the gateway adds its own, so that a client cannot name one of ours in Connection
// and have it removed.
func (rt *route) passing(x *exchange, r *http.Request) http.Header {
	out := make(http.Header, len(r.Header)+len(rt.sets)+added)
	for name, lines := range r.Header {
		if !ofConnection(name) && !rt.hygiene.drops(name, x.client.trusted) && !rt.removes[name] {
			out[name] = lines
		}
	}
	endAtConnection(out, r.Header["Connection"])
	if lines := out["Cookie"]; lines != nil {
		if lines = withoutOwn(lines, rt.hygiene.ownCookie); lines == nil {
			delete(out, "Cookie")
		} else {
			out["Cookie"] = lines
		}
	}
	rt.narrowMethod(out)
	if isWebSocket(r) {
		out["Connection"], out["Upgrade"] = []string{"Upgrade"}, r.Header["Upgrade"]
	}
	if te := r.Header["Te"]; te != nil && slices.ContainsFunc(list(te), isTrailers) {
		out["Te"] = []string{"trailers"}
	}
	return out
}

// isTrailers reports whether a coding of TE says that trailers are welcome, which they are to
// the gateway (RFC 9110 §10.1.4).
func isTrailers(coding string) bool { return strings.EqualFold(coding, "trailers") }

// added is how many headers an upstream's request gets at most, beside those of the route.
const added = 6

// endAtConnection removes the headers that Connection names (RFC 9110 §7.6.1).
func endAtConnection(h http.Header, connection []string) {
	for _, line := range connection {
		for name := range strings.SplitSeq(line, ",") {
			switch name = strings.Trim(name, " \t"); {
			case name == "", strings.EqualFold(name, "keep-alive"), strings.EqualFold(name, "close"):
			default:
				h.Del(name)
			}
		}
	}
}

// introduce says for whom the gateway asks (RFC 9110 §7.6.3, RFC 7239 §1).
func (rt *route) introduce(out http.Header, x *exchange, r *http.Request) {
	// One backing array for all: these are four allocations less on every request.
	values := [...]string{x.client.chain, x.client.host, x.client.proto, via(r), ""}
	out["X-Forwarded-For"] = values[0:1:1]
	out["X-Forwarded-Host"] = values[1:2:2]
	out["X-Forwarded-Proto"] = values[2:3:3]
	if before := out["Via"]; before != nil {
		out["Via"] = append(slices.Clip(before), values[3])
	} else {
		out["Via"] = values[3:4:4]
	}
	if _, named := out["User-Agent"]; !named {
		out["User-Agent"] = values[4:5:5] // Else Go's client would write its own name.
	}
}

// credential puts into Authorization what the upstream is to see there.
func (rt *route) credential(out http.Header, x *exchange, r *http.Request) {
	switch passed := r.Header["Authorization"]; {
	case x.token != "":
		out["Authorization"] = []string{"Bearer " + x.token.Reveal()}
	case (rt.Token == Passthrough || x.bearer) && passed != nil:
		out["Authorization"] = passed
	case rt.Authorization != "" && !x.bearer:
		out["Authorization"] = []string{rt.Authorization.Reveal()}
	}
}

// passingTrailers keeps out of the trailers what would be kept out of the header: some
// servers merge the two (RFC 9110 §6.5.1), and a forged X-User is none the better for
// coming last. Only what was announced before the body goes on.
func (rt *route) passingTrailers(x *exchange, r *http.Request) http.Header {
	if len(r.Trailer) == 0 {
		return nil
	}
	out := make(http.Header, len(r.Trailer))
	for name, lines := range r.Trailer {
		if !rt.hygiene.drops(name, x.client.trusted) && !rt.removes[name] && !hopByHop(name) {
			out[name] = lines
		}
	}
	if x.body != nil {
		x.body.onward = out
	}
	return out
}
