package cloakroom_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/cloakroom-bff/cloakroom"

// A room says what one part of the tree may import directly, the standard library aside,
// and why the wall stands there. Paths of our own are relative to the module; a path
// that ends in "/..." also means everything below it. The first room that matches a
// package is its room.
type room struct {
	pkg string
	may []string
	why string
}

var house = []room{
	{"session/boltstore", []string{"session", "go.etcd.io/bbolt/..."}, "a store is an adapter: it knows the core and its driver, and no other store"},
	{"session/redisstore", []string{"session", "github.com/redis/rueidis/..."}, "a store is an adapter: it knows the core and its driver, and no other store"},
	{"session/lentstore", []string{"session"}, "a store is an adapter: it knows the core, and what another process has is none of its business"},
	{"session/storetest", []string{"session"}, "the conformance suite must fit every store"},
	{"session", []string{
		"github.com/gorilla/securecookie",  // the ticket
		"github.com/maypok86/otter/v2/...", // what memory holds
		"golang.org/x/oauth2",              // types
		"golang.org/x/sync/...",            // flights
	}, "tokens stay here: a library that knows neither HTTP routes nor providers nor databases"},

	{"internal/oidc", []string{
		"session", "internal/secret", "internal/dpop", // Grant and the error classes
		"internal/clientkey", // what the client signs with
		"github.com/coreos/go-oidc/v3/...", "github.com/go-jose/go-jose/v4/...", "golang.org/x/oauth2/...", "golang.org/x/sync/...", "golang.org/x/time/...",
	}, "the provider client answers to session and must not know who asks"},
	{"proxy", []string{"session", "internal/oidc", "internal/dpop", "internal/outbound", "golang.org/x/net/...", "golang.org/x/time/..."}, "HTTP in, HTTP out: a store, the configuration file and the metrics are somebody else's"},

	{"internal/dpop", nil, "two servers hear the same proofs, so it knows neither who asks nor what for"},
	{"internal/outbound", nil, "it sends what it is given, and does not ask why"},
	{"internal/handover", nil, "it passes sockets on, whatever is served on them"},
	{"internal/inbound", []string{"internal/framing", "golang.org/x/net/..."}, "it serves a handler, and does not ask what that does"},
	{"internal/framing", nil, "it sees bytes of connections, and must judge them alike whoever serves"},
	{"internal/secret", nil, "everybody may hold a secret, so a secret knows nobody"},
	{"internal/clientkey", []string{"github.com/go-jose/go-jose/v4/..."}, "keys are read and put to use; what for is the caller's"},
	{"internal/preset", nil, "data that both the configuration and the wiring read, so it knows neither"},
	{"internal/config", []string{"internal/secret", "internal/preset", "internal/clientkey", "github.com/goccy/go-yaml/..."}, "the file becomes values; what they mean is wired elsewhere"},
	{"internal/telemetry", []string{
		"session", "proxy", "internal/oidc", // the events that it counts
		"github.com/prometheus/client_golang/...", "go.opentelemetry.io/...",
	}, "it hears events; nobody calls it but the wiring"},
	{"internal/devidp", []string{"internal/secret", "github.com/go-jose/go-jose/v4/..."}, "the other side of the wire shares no code with the client that it tests"},
	{"internal/conformance", nil, "tests, and nothing that anybody could import"},
	{"internal/demo", []string{"internal/devidp"}, "a demo API is an upstream like any other: it sees requests, not the gateway"},

	{"internal/doctor", []string{
		"internal/clientkey", "internal/config", "internal/oidc", "internal/preset", // what is examined, and who asks the provider
		"session", "session/boltstore", "session/redisstore",
	}, "it looks at what others will meet, and nobody serves with it"},

	{"internal/migrate", []string{"github.com/goccy/go-yaml/..."}, "texts in, texts out: what it writes is judged by internal/config like anybody's file"},

	{"internal/app", []string{
		"session/...", "proxy", "internal/...",
		"github.com/prometheus/client_golang/...", "go.opentelemetry.io/...", "golang.org/x/sync/...", "golang.org/x/time/...",
	}, "the one place that wires, so that every other room can do without"},
	{"cmd/cloakroom", []string{"internal/app", "internal/clientkey", "internal/config", "internal/doctor", "internal/handover", "internal/migrate", "internal/telemetry", "github.com/spf13/cobra/...", "github.com/spf13/pflag"}, "commands read arguments and print; the work is done in internal/app"},

	{"e2e", nil, "the binary is met from the outside"},
	{"deploy", nil, "the recipes know the binary from the outside"},
	{"examples/...", []string{"github.com/coreos/go-oidc/v3/..."}, "what readers copy stands on public libraries alone"},
	{"bench/...", []string{"..."}, "a measurement may hold anything against anything"},
}

// A ban is what a part of the tree must never reach, by whatever way.
type ban struct {
	from  []string
	never []string
	why   string
}

var bans = []ban{
	{
		[]string{"session", "proxy", "internal/oidc"},
		[]string{"github.com/prometheus/...", "go.opentelemetry.io/...", "go.etcd.io/...", "github.com/redis/...", "github.com/goccy/...", "gopkg.in/...", "github.com/spf13/..."},
		"the core must be usable with another store, another configuration and other metrics",
	},
	{
		[]string{"cmd/cloakroom"},
		[]string{"testing", "net/http/httptest", "github.com/chromedp/...", "github.com/rogpeppe/go-internal/..."},
		"test code has no business in the binary",
	},
	{
		[]string{"cmd/...", "internal/...", "proxy", "session/..."},
		[]string{"net/http/pprof"},
		"importing it puts a debug page on http.DefaultServeMux",
	},
}

// imports is the graph of direct imports, without tests.
type imports map[string][]string

func TestEveryPackageImportsWhatItsRoomMay(t *testing.T) {
	t.Parallel()
	graph, ours := readImports(t)
	for _, pkg := range ours {
		for _, complaint := range judge(house, graph, pkg) {
			t.Error(complaint)
		}
	}
}

func TestNobodyReachesWhatIsBanned(t *testing.T) {
	t.Parallel()
	graph, ours := readImports(t)
	for _, b := range bans {
		for _, pkg := range ours {
			if way := b.reached(graph, pkg); way != nil {
				t.Errorf("%s: %s", strings.Join(way, "\n\t→ "), b.why)
			}
		}
	}
}

// An init function runs in every program that imports its package, in an order that nobody
// reads, and cannot fail with an error.
func TestNothingRunsBeforeMain(t *testing.T) {
	t.Parallel()
	for _, dir := range sourceDirs(t) {
		for _, file := range parseDir(t, dir, 0) {
			for _, decl := range file.syntax.Decls {
				if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
					t.Errorf("%s: func init: pass the value to who needs it", file.name)
				}
			}
		}
	}
}

func TestTheRulesBite(t *testing.T) {
	t.Parallel()
	rooms := []room{
		{"core/store", []string{"core"}, "reason"},
		{"core", []string{"example.com/lib/..."}, "reason"},
		{"wiring", []string{"..."}, "reason"},
	}
	for _, row := range []struct {
		name, pkg, imports string
		complaints         int
	}{
		{"the standard library is free", "core", "net/http", 0},
		{"a library below its pattern", "core", "example.com/lib/part", 0},
		{"a library with a similar name", "core", "example.com/library", 1},
		{"the core must not know a store", "core", module + "/core/store", 1},
		{"a store may know the core", "core/store", module + "/core", 0},
		{"a store must not use the core's library", "core/store", "example.com/lib", 1},
		{"the wiring may do everything", "wiring", module + "/core/store", 0},
		{"a package without a room", "shed", "fmt", 1},
		{"the old generator of random numbers", "wiring", "math/rand", 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			pkg := module + "/" + row.pkg
			got := judge(rooms, imports{pkg: {row.imports}}, pkg)
			if len(got) != row.complaints {
				t.Errorf("%s imports %s: complaints %q, want %d of them", row.pkg, row.imports, got, row.complaints)
			}
		})
	}
	t.Run("a ban holds over any distance", func(t *testing.T) {
		t.Parallel()
		graph := imports{module + "/core": {"example.com/lib"}, "example.com/lib": {"example.com/middle"}, "example.com/middle": {"example.com/driver"}}
		b := ban{[]string{"core"}, []string{"example.com/driver"}, "reason"}
		want := []string{module + "/core", "example.com/lib", "example.com/middle", "example.com/driver"}
		if got := b.reached(graph, module+"/core"); !slices.Equal(got, want) {
			t.Errorf("way %q, want %q", got, want)
		}
	})
}

// judge holds the direct imports of one of our packages against its room.
func judge(rooms []room, graph imports, pkg string) (complaints []string) {
	if pkg == module {
		return nil // tests only
	}
	i := slices.IndexFunc(rooms, func(r room) bool { return matches(r.pkg, pkg) })
	if i < 0 {
		return []string{pkg + " has no room in deps_test.go: add one, with a reason"}
	}
	for _, path := range graph[pkg] {
		switch {
		case path == "math/rand":
			complaints = append(complaints, pkg+" imports math/rand: take crypto/rand for secrets, math/rand/v2 for jitter")
		case isStandard(path):
		case slices.ContainsFunc(rooms[i].may, func(p string) bool { return matches(p, path) }):
		default:
			complaints = append(complaints, fmt.Sprintf("%s imports %s, which is not in its room: %s", pkg, path, rooms[i].why))
		}
	}
	return complaints
}

// reached returns the shortest way from pkg to something banned, nil if there is none.
func (b ban) reached(graph imports, pkg string) []string {
	if !slices.ContainsFunc(b.from, func(p string) bool { return matches(p, pkg) }) {
		return nil
	}
	from := map[string]string{pkg: ""}
	for queue := []string{pkg}; len(queue) > 0; queue = queue[1:] {
		here := queue[0]
		if slices.ContainsFunc(b.never, func(p string) bool { return matches(p, here) }) {
			var way []string
			for ; here != ""; here = from[here] {
				way = append(way, here)
			}
			slices.Reverse(way)
			return way
		}
		for _, next := range graph[here] {
			if _, seen := from[next]; !seen {
				from[next] = here
				queue = append(queue, next)
			}
		}
	}
	return nil
}

// matches reports whether path is what a pattern means. A pattern without a dot in its
// first element is ours, or the standard library's.
func matches(pattern, path string) bool {
	base, tree := strings.CutSuffix(pattern, "...")
	base = strings.TrimSuffix(base, "/")
	for _, root := range []string{base, module + "/" + base} {
		if path == root || tree && (base == "" || strings.HasPrefix(path, root+"/")) {
			return true
		}
	}
	return false
}

func isStandard(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return !strings.Contains(first, ".")
}

// readImports asks the go command for the graph and for our own packages in it.
func readImports(t *testing.T) (imports, []string) {
	t.Helper()
	// A profile for the compiler would give each package of the binary a second name.
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "-pgo=off", "-json=ImportPath,Imports,DepOnly", "./...")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	graph := imports{}
	var ours []string
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p struct {
			ImportPath string
			Imports    []string
			DepOnly    bool
		}
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("go list: %v", err)
		}
		graph[p.ImportPath] = p.Imports
		if !p.DepOnly {
			ours = append(ours, p.ImportPath)
		}
	}
	if len(ours) < 2 {
		t.Fatalf("go list found only %q", slices.Collect(maps.Keys(graph)))
	}
	return graph, ours
}

type source struct {
	name   string
	syntax *ast.File
}

// parseDir parses the Go files of a directory, tests left out, whatever their build tags.
func parseDir(t *testing.T, dir string, mode parser.Mode) []source {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var files []source
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		syntax, err := parser.ParseFile(token.NewFileSet(), name, nil, mode)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, source{name, syntax})
	}
	return files
}

// sourceDirs lists the directories of this module that hold Go files other than tests.
func sourceDirs(t *testing.T) []string {
	t.Helper()
	var dirs []string
	err := filepath.WalkDir(".", func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && path != "." {
			name := entry.Name()
			if path == "tools" || name == "testdata" || name == "node_modules" || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") {
				return filepath.SkipDir
			}
		}
		if !entry.IsDir() && strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") {
			dirs = append(dirs, filepath.Dir(path))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return slices.Compact(slices.Sorted(slices.Values(dirs)))
}
