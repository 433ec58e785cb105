package scale

import (
	"strings"
	"testing"
)

func TestSizesGrow(t *testing.T) {
	t.Parallel()
	if sizes, err := growing("1000,100000"); err != nil || len(sizes) != 2 || sizes[1] != 100_000 {
		t.Errorf("%v, %v", sizes, err)
	}
	for _, wrong := range []string{"", "ten", "50", "1000,1000", "1000,500"} {
		if sizes, err := growing(wrong); err == nil {
			t.Errorf("%q: %v", wrong, sizes)
		}
	}
}

func TestATableHasAColumnForEachSize(t *testing.T) {
	t.Parallel()
	c := Curve{Points: []Point{
		{Store: "bbolt", Sessions: 1000, Ready: 12},
		{Store: "bbolt", Sessions: 1_000_000, Ready: 34},
		{Store: "redis", Sessions: 1000, Ready: 56},
	}}
	var text, page strings.Builder
	if err := c.write(&text, false); err != nil {
		t.Fatal(err)
	}
	if err := c.write(&page, true); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"| bbolt, sessions | 1,000 | 1,000,000 |", "| ready, ms | 12 | 34 |", "| redis, sessions | 1,000 | 1,000,000 |", "| ready, ms | 56 |  |"} {
		if !strings.Contains(page.String(), want) {
			t.Errorf("the page has no %q:\n%s", want, page.String())
		}
	}
	if !strings.Contains(text.String(), "1,000,000") || strings.Contains(text.String(), "|") {
		t.Error(text.String())
	}
}
