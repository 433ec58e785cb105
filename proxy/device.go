package proxy

import (
	"net/http"
	"net/netip"
	"strings"

	"github.com/cloakroom-bff/cloakroom/session"
)

// device is what is kept of the browser, so that its user knows it again in a list:
// families without versions, and the network that the client's address is in.
func (g *Gateway) device(r *http.Request) session.Device {
	agent := r.UserAgent()
	return session.Device{
		Browser: family(agent, browsers()),
		System:  family(agent, systems()),
		Address: network(g.clientOf(r).addr),
	}
}

// mark is a piece of a User-Agent and the family that it gives away.
type mark struct{ text, family string }

// The order of both lists matters: nearly every browser also names the ones that it wants
// to be taken for, Chrome names Safari, and Android names Linux.

func browsers() []mark {
	return []mark{
		{"Edg", "Edge"},
		{"OPR/", "Opera"},
		{"SamsungBrowser/", "Samsung Internet"},
		{"Vivaldi/", "Vivaldi"},
		{"Firefox/", "Firefox"},
		{"FxiOS/", "Firefox"},
		{"CriOS/", "Chrome"},
		{"Chrome/", "Chrome"},
		{"Safari/", "Safari"},
	}
}

func systems() []mark {
	return []mark{
		{"Android", "Android"},
		{"iPhone", "iOS"},
		{"iPad", "iPadOS"},
		{"Windows", "Windows"},
		{"CrOS", "ChromeOS"},
		{"Mac OS X", "macOS"},
		{"Macintosh", "macOS"},
		{"Linux", "Linux"},
	}
}

// family returns the first family whose mark agent has, or nothing.
func family(agent string, marks []mark) string {
	for _, m := range marks {
		if strings.Contains(agent, m.text) {
			return m.family
		}
	}
	return ""
}

// network returns the prefix of an address that is kept: enough to tell home from abroad,
// too little to tell a person (24 bits of IPv4, 48 of IPv6).
func network(addr string) string { return prefix(addr, 24, 48) }

// household is the part of the client's address that one line to the internet has for
// itself.
func (g *Gateway) household(r *http.Request) string { return prefix(g.clientOf(r).addr, 32, 64) }

// prefix returns so many bits of an address, nothing if it is none.
func prefix(addr string, bits4, bits6 int) string {
	a, err := netip.ParseAddr(addr)
	if err != nil {
		return ""
	}
	a, bits := a.Unmap().WithZone(""), bits6
	if a.Is4() {
		bits = bits4
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return ""
	}
	return p.String()
}
