//go:build e2e

package e2e

import (
	"encoding/xml"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// explained are the cases of h2spec that fail, by section and name, each with the reason why
// it may. They are Go's own; a failure that is not here is ours, and one that has gone belongs
// out of here.
var explained = map[string]string{
	"http2/6.5.3 Sends multiple values of SETTINGS_INITIAL_WINDOW_SIZE": "a SETTINGS frame that names a parameter twice closes the connection: stricter than RFC 9113 §6.5.3, and nobody sends one",

	"http2/8.1.2.2 Sends a HEADERS frame that contains the connection-specific header field":                       "the answer is a 400 and not RST_STREAM, as RFC 9113 §8.1.1 allows for a malformed request; it goes no further",
	"http2/8.1.2.2 Sends a HEADERS frame that contains the TE header field with any value other than \"trailers\"": "as above",
}

// TestTheListenerPassesH2spec asks the TLS listener all of h2spec's cases, the strict ones
// with them, on a route that leads to an API.
func TestTheListenerPassesH2spec(t *testing.T) {
	t.Parallel()
	program, err := filepath.Abs("h2spec/bin/h2spec")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := exec.LookPath(program); err != nil {
		missing(t, "h2spec", "(cd e2e/h2spec && CGO_ENABLED=0 go build -o bin/h2spec github.com/summerwind/h2spec/cmd/h2spec)")
	}
	g := secureGateway(t, startUpstream(t).url)
	report := filepath.Join(t.TempDir(), "report.xml")
	// Its exit code says that a case failed, which some do.
	out, err := exec.CommandContext(t.Context(), program, "--strict", "--tls", "--insecure", "--host", "localhost", "--port", strings.TrimPrefix(g.url, "https://localhost:"), "--timeout", "5", "--junit-report", report).CombinedOutput()
	cases := readReport(t, report)
	if len(cases) != 147 {
		t.Fatalf("h2spec ran %d cases of 147: %v\n%s", len(cases), err, out)
	}
	var failed []string
	for _, c := range cases {
		if c.failed() {
			failed = append(failed, c.id())
		}
	}
	for _, id := range failed {
		if explained[id] == "" {
			t.Errorf("%s: this fails, and nobody has explained it", id)
		} else {
			t.Logf("%s: %s", id, explained[id])
		}
	}
	for id := range explained {
		if !slices.Contains(failed, id) {
			t.Errorf("%s: this is explained, and does not fail", id)
		}
	}
	if t.Failed() {
		t.Logf("h2spec said\n%s", out)
	} else {
		t.Logf("%d of %d cases pass", len(cases)-len(failed), len(cases))
	}
}

// verdict is one case in h2spec's report, which has JUnit's form.
type verdict struct {
	Section string    `xml:"package,attr"`
	Name    string    `xml:"classname,attr"`
	Failure *struct{} `xml:"failure"`
	Error   *struct{} `xml:"error"`
	Skipped *struct{} `xml:"skipped"`
}

func (v verdict) id() string { return v.Section + " " + v.Name }

// failed is also what a skipped case has: what did not run proves nothing.
func (v verdict) failed() bool { return v.Failure != nil || v.Error != nil || v.Skipped != nil }

func readReport(t *testing.T, name string) []verdict {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var report struct {
		Cases []verdict `xml:"testsuite>testcase"`
	}
	if err := xml.Unmarshal(data, &report); err != nil {
		t.Fatal(err)
	}
	return report.Cases
}
