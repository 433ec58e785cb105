package proxy

import "testing"

func TestAUserKnowsTheirBrowserAgain(t *testing.T) {
	for agent, want := range map[string]string{
		"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0":                                                                     "Firefox on Linux",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36":                            "Chrome on Windows",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0":              "Edge on Windows",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Safari/605.1.15":                      "Safari on macOS",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1":    "Safari on iOS",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/140.0 Mobile/15E148 Safari/604.1":     "Chrome on iOS",
		"Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36":                            "Chrome on Android",
		"Mozilla/5.0 (Linux; Android 14; SM-S911B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/26.0 Chrome/122.0.0.0 Mobile Safari/537.36": "Samsung Internet on Android",
		"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36":                             "Chrome on ChromeOS",
		"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36 OPR/120.0.0.0":                        "Opera on Linux",
		"curl/8.5.0": " on ",
		"":           " on ",
	} {
		if got := family(agent, browsers()) + " on " + family(agent, systems()); got != want {
			t.Errorf("%q: %q, want %q", agent, got, want)
		}
	}
}

func TestOnlyTheNetworkOfAnAddressIsKept(t *testing.T) {
	for addr, want := range map[string]string{
		"203.0.113.77":               "203.0.113.0/24",
		"::ffff:203.0.113.77":        "203.0.113.0/24",
		"2001:db8:1:2:3:4:5:6":       "2001:db8:1::/48",
		"fe80::1%eth0":               "fe80::/48",
		"":                           "",
		"unknown":                    "",
		"203.0.113.77, 198.51.100.1": "",
	} {
		if got := network(addr); got != want {
			t.Errorf("network(%q) = %q, want %q", addr, got, want)
		}
	}
}

func TestAHouseholdIsALineToTheInternet(t *testing.T) {
	g := newDesk(t).gateway
	for addr, want := range map[string]string{
		"203.0.113.77:4711":           "203.0.113.77/32",
		"[2001:db8:1:2:3:4:5:6]:4711": "2001:db8:1:2::/64",
	} {
		r := requestWith(t, "")
		r.RemoteAddr = addr
		if got := g.household(r); got != want {
			t.Errorf("household(%q) = %q, want %q", addr, got, want)
		}
	}
}
