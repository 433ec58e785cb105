package config_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/cloakroom-bff/cloakroom/internal/config"
)

func TestAFingerprintChangesWithTheFileAndWhatItNames(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "config.yaml")
	environ := []string{"HOME=/", "CLOAKROOM_PROVIDER_CLIENT_SECRET=${file:named-by-a-variable}"}
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const text = "session: {keys: [\"${file:./key}\"]}\n"
	seen := map[[32]byte]string{}
	differs := func(what string) {
		t.Helper()
		now := config.Fingerprint(file, environ)
		if before, ok := seen[now]; ok {
			t.Errorf("%s: as it was with %s", what, before)
		}
		seen[now] = what
		if config.Fingerprint(file, environ) != now {
			t.Errorf("%s: not the same twice", what)
		}
	}
	differs("nothing")
	write("config.yaml", text)
	differs("the file")
	write("key", "one")
	differs("the key")
	write("key", "two")
	differs("another key")
	write("named-by-a-variable", "secret")
	differs("a secret")
	write("config.yaml", text+"# a comment\n")
	differs("another file")
	write("config.yaml", text)
	if seen[config.Fingerprint(file, environ)] != "a secret" {
		t.Error("the old file again is not the same as before")
	}
}

// Kubernetes puts a new directory beside the old one and swaps a link: neither the file's
// path nor, at times, its size or time tell of it.
func TestAFingerprintSeesThroughLinks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, version := range []string{"..1", "..2"} {
		if err := os.MkdirAll(filepath.Join(dir, version), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, version, "config.yaml"), []byte("# "+version), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	link := func(version string) {
		t.Helper()
		fresh := filepath.Join(dir, "..tmp")
		if err := os.Symlink(version, fresh); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(fresh, filepath.Join(dir, "..data")); err != nil {
			t.Fatal(err)
		}
	}
	link("..1")
	file := filepath.Join(dir, "config.yaml")
	if err := os.Symlink(filepath.Join("..data", "config.yaml"), file); err != nil {
		t.Fatal(err)
	}
	before := config.Fingerprint(file, nil)
	link("..2")
	if config.Fingerprint(file, nil) == before {
		t.Error("a link that leads elsewhere is not seen")
	}
}
