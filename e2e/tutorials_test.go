//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// shop signs in at the page of the shop, which shows what only its API has.
func (m *manual) shop() *tab {
	m.t.Helper()
	home := m.ports.Replace("http://localhost:8080")
	b := openTab(m.t)
	b.open(home + "/")
	b.press("button")
	b.until(`document.querySelector("input[name=login]")`)
	b.run(`document.querySelector("input[name=login]").value = "alice"; document.querySelector("input[name=password]").value = "x"; document.querySelector("form").submit()`)
	b.until(fmt.Sprintf(`location.origin == %q && document.querySelectorAll("#orders li").length == 2`, home))
	if who := b.text(`document.querySelector("#who").textContent`); who != "Signed in as alice." {
		m.t.Errorf("the page says %q", who)
	}
	b.scriptsFindNothing()
	return b
}

// The pages and APIs of the tutorials, in the place of those of the quick start.
func TestTheTutorialsShopSells(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ page, api string }{
		{"react", "express"},
		{"vue", "go"},
	} {
		t.Run(row.page+" and "+row.api, func(t *testing.T) {
			t.Parallel()
			m := openManual(t, "docs/quickstart.md", "3000", "8080", "9000", "9090")
			m.take("provider/node_modules", "examples/shop/provider/node_modules")
			m.take("../examples/shop/"+row.page+"/node_modules", "examples/shop/"+row.page+"/node_modules")
			m.run("cd examples/shop/"+row.page+" && npm run build", false, "")
			m.run("node examples/shop/provider/provider.mjs", true, m.ports.Replace("the provider is http://localhost:3000/realms/shop"))
			api := "go run ./examples/shop/api"
			if row.api == "express" {
				m.take("../examples/shop/express/node_modules", "examples/shop/express/node_modules")
				api = "node examples/shop/express/server.mjs"
			}
			m.run(api, true, m.ports.Replace("the API listens on http://localhost:9000"))
			m.configure(row.page + "/dist")
			b := m.shop()
			b.press("button")
			b.until(`document.querySelector("form[action*='session/end']")`) // the provider asks
		})
	}
}

// An API that takes no tokens believes the gateway's own word, and nobody else's.
func TestTheTutorialsReportsBelieveTheGateway(t *testing.T) {
	t.Parallel()
	m := openManual(t, "docs/quickstart.md", "3000", "8080", "9000", "9001", "9090")
	m.take("provider/node_modules", "examples/shop/provider/node_modules")
	m.run("node examples/shop/provider/provider.mjs", true, m.ports.Replace("the provider is http://localhost:3000/realms/shop"))
	m.run("go run ./examples/shop/api", true, m.ports.Replace("the API listens on http://localhost:9000"))
	m.run("go run ./examples/shop/reports", true, m.ports.Replace("the reports are at http://localhost:9001"))
	m.change("routes:", m.ports.Replace("routes:\n"+strings.TrimSuffix(fenced(t, "../docs/tutorials/go.md", "yaml"), "\n")))
	m.configure("web")
	b := m.shop()
	if said := b.text(`await fetch("/reports/").then(r => r.text())`); said != `{"user":"alice"}`+"\n" {
		t.Errorf("the API says %q", said)
	}
	forged := exec.CommandContext(t.Context(), "curl", "-s", "-H", "X-Identity: e30.e30.e30", m.ports.Replace("http://localhost:9001/reports/"))
	if said, err := forged.Output(); err != nil || !strings.Contains(string(said), "does not say who you are") {
		t.Errorf("to a forged word the API says %q, %v", said, err)
	}
}

// fenced returns the first block of a kind on a page.
func fenced(t *testing.T, page, kind string) string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range fences(string(text)) {
		if f.kind == kind {
			return f.text
		}
	}
	t.Fatalf("%s has no block of %s", page, kind)
	return ""
}

// configure serves the files of a page with the gateway that the suite has built.
func (m *manual) configure(files string) {
	m.t.Helper()
	m.change("./web", "./"+files)
	m.run(binary+" keys new > examples/shop/session.key; printf only-for-this-machine > examples/shop/client.secret", false, "")
	m.run(binary+" run --config examples/shop/config.yaml", true, "msg=serving")
}

// change writes something else into the configuration.
func (m *manual) change(old, with string) {
	m.t.Helper()
	path := filepath.Join(m.dir, "examples/shop/config.yaml")
	text, err := os.ReadFile(path)
	if err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(strings.Replace(string(text), old, with, 1)), 0o600); err != nil {
		m.t.Fatal(err)
	}
}
