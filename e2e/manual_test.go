//go:build e2e

package e2e

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A manual is a page that is read as its readers do: from its top, in a fresh copy of the
// tree, each block of commands typed into a shell. A block of text behind it is what the
// reader is promised to see: lines of which the parts around a … are in one line.
type manual struct {
	t     *testing.T
	dir   string            // the copy
	ports *strings.Replacer // ports that the page names by free ones
	left  []fence

	serves []string          // commands that stay: they get a terminal of their own
	passed map[string]string // first lines of blocks that are not run, with the reason
}

// A fence is a fenced part of a page.
type fence struct{ kind, text string }

func openManual(t *testing.T, page string, ports ...string) *manual {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", page))
	if err != nil {
		t.Fatal(err)
	}
	var renamed []string
	for _, port := range ports {
		renamed = append(renamed, "localhost:"+port, fmt.Sprintf("localhost:%d", freePort(t)))
	}
	m := &manual{t: t, dir: t.TempDir(), ports: strings.NewReplacer(renamed...), left: fences(string(text))}
	m.copyTree()
	return m
}

func fences(text string) (all []fence) {
	var inside bool
	for line := range strings.Lines(text) {
		kind, edge := strings.CutPrefix(strings.TrimSpace(line), "```")
		switch {
		case edge && !inside:
			all = append(all, fence{kind: kind})
			inside = true
		case edge:
			inside = false
		case inside:
			all[len(all)-1].text += line
		}
	}
	return all
}

// copyTree copies what a clone would have, without the tests that are run here. In the
// examples ports are free ones.
func (m *manual) copyTree() {
	m.t.Helper()
	list := exec.CommandContext(m.t.Context(), "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", ".", ":!e2e", ":!tools", ":!deploy")
	list.Dir = ".."
	names, err := list.Output()
	if err != nil {
		m.t.Fatalf("git ls-files: %v", err)
	}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(names), "\x00"), "\x00") {
		data, err := os.ReadFile(filepath.Join("..", name))
		if os.IsNotExist(err) {
			continue // deleted, and not committed yet
		}
		if err != nil {
			m.t.Fatal(err)
		}
		if strings.HasPrefix(name, "examples/") {
			data = []byte(m.ports.Replace(string(data)))
		}
		path := filepath.Join(m.dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			m.t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			m.t.Fatal(err)
		}
	}
}

// take lends the copy packages that are installed here, which a reader would fetch.
func (m *manual) take(modules, as string) {
	m.t.Helper()
	here, err := filepath.Abs(modules)
	if err != nil {
		m.t.Fatal(err)
	}
	if _, err := os.Stat(here); err != nil {
		missing(m.t, modules, "npm ci --ignore-scripts --prefix "+filepath.Join("e2e", filepath.Dir(modules)))
	}
	if err := os.Symlink(here, filepath.Join(m.dir, as)); err != nil {
		m.t.Fatal(err)
	}
}

// read runs the blocks up to the one that begins with a line; an empty one means the end.
func (m *manual) read(until string) {
	m.t.Helper()
	for len(m.left) > 0 && (until == "" || m.left[0].kind != "sh" || !strings.HasPrefix(m.left[0].text, until)) {
		b := m.left[0]
		m.left = m.left[1:]
		if b.kind != "sh" {
			continue
		}
		promised := ""
		if len(m.left) > 0 && m.left[0].kind == "text" {
			promised = m.ports.Replace(m.left[0].text)
		}
		first, _, _ := strings.Cut(b.text, "\n")
		if m.passed[first] == "" {
			m.run(m.ports.Replace(b.text), slices.Contains(m.serves, first), promised)
		}
	}
	if until != "" && len(m.left) == 0 {
		m.t.Fatalf("the page has no block that begins with %s", until)
	}
}

// run types a block into a shell, and waits for its end, or for what it promises.
func (m *manual) run(commands string, serves bool, promised string) {
	m.t.Helper()
	out := transcript{also: m.t.Output()}
	cmd := exec.CommandContext(m.t.Context(), "bash", "-euo", "pipefail", "-c", commands)
	cmd.Dir, cmd.Stdout, cmd.Stderr = m.dir, &out, &out
	cmd.Env = append(os.Environ(), "GOFLAGS=-trimpath -buildvcs=false") // the build cache is then good for every copy
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}               // go run has a child
	if !serves {
		if err := cmd.Run(); err != nil {
			m.t.Fatalf("%s%v\n%s", commands, err, &out)
		}
		if missed := out.missing(promised); missed != "" {
			m.t.Fatalf("%sdoes not say\n%s\nbut\n%s", commands, missed, &out)
		}
		return
	}
	if err := cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		_ = cmd.Wait() // its transcript says why
	}()
	m.t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
		<-gone
	})
	// A first "go run" compiles all there is, beside everything else that runs here.
	eventually(m.t, 6*time.Minute, commands+"says\n"+promised, func() bool {
		select {
		case <-gone:
			m.t.Fatalf("%sended at its start\n%s", commands, &out)
		default:
		}
		return out.missing(promised) == ""
	})
}

// transcript is what a terminal shows. It is safe for concurrent use.
type transcript struct {
	also io.Writer

	mu   sync.Mutex
	text bytes.Buffer // guarded by mu
}

func (o *transcript) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	_, _ = o.also.Write(p) // for who reads of a failure
	return o.text.Write(p)
}

func (o *transcript) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// missing returns the first promised line that is not there.
func (o *transcript) missing(promised string) string {
	shown := strings.Split(o.String(), "\n")
	for line := range strings.Lines(promised) {
		if line = strings.TrimSpace(line); !slices.ContainsFunc(shown, func(s string) bool { return shows(s, line) }) {
			return line
		}
	}
	return ""
}

// shows reports whether a line has the parts around … of another one, in their order.
func shows(shown, promised string) bool {
	for part := range strings.SplitSeq(promised, "…") {
		_, rest, found := strings.Cut(shown, strings.TrimSpace(part))
		if !found {
			return false
		}
		shown = rest
	}
	return true
}

func TestTheQuickStartWorksAsItIsWritten(t *testing.T) {
	t.Parallel()
	m := openManual(t, "docs/quickstart.md", "3000", "8080", "9000", "9090")
	m.passed = map[string]string{
		"git clone https://github.com/cloakroom-bff/cloakroom": "the copy of the tree is the clone",
		"npm install --prefix examples/shop/provider":          "the package is here already, in the version that is asked for",
	}
	m.serves = []string{
		"node examples/shop/provider/provider.mjs",
		"go run ./examples/shop/api",
		"./cloakroom run --config examples/shop/config.yaml",
	}
	m.take("provider/node_modules", "examples/shop/provider/node_modules")
	m.read("./cloakroom sessions list")
	b := m.shop()
	m.read("")
	b.until(`document.querySelector("#who").textContent == "Nobody is signed in."`)
}

func TestTheReadmeWorksAsItIsWritten(t *testing.T) {
	t.Parallel()
	m := openManual(t, "README.md")
	m.passed = map[string]string{"go test ./...": "what runs this is such a command"}
	m.serves = []string{"go run ./cmd/cloakroom demo"}
	m.read("")
}
