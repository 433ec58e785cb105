package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/cloakroom-bff/cloakroom/internal/migrate"
)

func TestRemarksOfAMigrationAlignWithColoursAndWithout(t *testing.T) {
	t.Parallel()
	r := migrate.Result{Remarks: []migrate.Remark{
		{Kind: migrate.Lost, Option: "cookie_domains", At: "a.cfg:1", Text: "why"},
		{Kind: migrate.Needless, Option: "banner", At: "a.cfg:2", Text: "why"},
	}}
	const want = "lost      cookie_domains    why (a.cfg:1)\nneedless  banner            why (a.cfg:2)\n\n1 lost, 0 unknown, 0 to do, 0 changed, 0 carried, 1 needless\n"
	for _, c := range []colours{{}, {on: true}} {
		var out bytes.Buffer
		if err := c.printRemarks(&out, r); err != nil {
			t.Fatal(err)
		}
		if got := strings.NewReplacer("\x1b[31m", "", "\x1b[32m", "", "\x1b[0m", "").Replace(out.String()); got != want || c.on != strings.HasPrefix(out.String(), "\x1b[31mlost") {
			t.Errorf("colours %v:\n%q\nwant\n%q", c.on, out.String(), want)
		}
	}
}
