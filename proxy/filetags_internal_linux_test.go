package proxy

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// counting counts how often a file was read from its beginning.
type counting struct {
	io.ReadSeeker
	seeks int
}

func (c *counting) Seek(offset int64, whence int) (int64, error) {
	c.seeks++
	return c.ReadSeeker.Seek(offset, whence)
}

func TestAFileIsReadForItsTagOnceAndAgainWhenItHasChanged(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a.txt")
	var seen tags
	tagOf := func(want int) string {
		t.Helper()
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		file := &counting{ReadSeeker: strings.NewReader(string(text))}
		tag, err := seen.of(file, info, "a.txt")
		if err != nil || file.seeks != want {
			t.Errorf("%v, read %d times, not %d", err, file.seeks, want)
		}
		return tag
	}
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("one")
	first := tagOf(1)
	tagOf(1) // It may still change within the same tick of the clock.
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	now, _ := contentOf(info)
	seen.keep("a.txt", tagged{now, first}) // as if it had settled
	if tagOf(0) != first {
		t.Error("another tag")
	}
	same := info.ModTime()
	write("two")
	if err := os.Chtimes(name, same, same); err != nil {
		t.Fatal(err)
	}
	if tagOf(1) == first {
		t.Error("the tag of what was there before")
	}
	for range mostTags + 1 {
		seen.keep(time.Now().String()+strings.Repeat("x", len(seen.known)), tagged{})
	}
	if len(seen.known) > mostTags {
		t.Errorf("%d tags are kept", len(seen.known))
	}
}
