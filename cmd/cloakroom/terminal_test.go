package main

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/cloakroom-bff/cloakroom/internal/doctor"
)

func TestOnlyATerminalThatWantsThemGetsColours(t *testing.T) {
	t.Parallel()
	device, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0) // A device of characters, as a terminal is.
	if err != nil {
		t.Fatal(err)
	}
	defer device.Close()
	file, err := os.Create(t.TempDir() + "/out")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for name, row := range map[string]struct {
		out  any
		env  []string
		want bool
	}{
		"a terminal":       {device, []string{"TERM=xterm", "NO_COLOR="}, true},
		"NO_COLOR":         {device, []string{"NO_COLOR=1"}, false},
		"a dumb terminal":  {device, []string{"TERM=dumb"}, false},
		"a file":           {file, nil, false},
		"a pipe's like it": {&bytes.Buffer{}, nil, false},
	} {
		out, ok := row.out.(interface{ Write([]byte) (int, error) })
		if !ok {
			t.Fatal(name)
		}
		if got := (&surroundings{env: row.env}).coloursOf(out).on; got != row.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestTheDoctorsVerdictsAreColouredAndAlign(t *testing.T) {
	t.Parallel()
	r := doctor.Report{Lines: []doctor.Line{{Verdict: doctor.Fail, Check: "store", Found: "away"}, {Verdict: doctor.Pass, Check: "provider.issuer", Found: "fine"}}}
	var plain, painted bytes.Buffer
	if err := (colours{}).printReport(&plain, r); err != nil {
		t.Fatal(err)
	}
	if err := (colours{true}).printReport(&painted, r); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(plain.String(), "fail  store            away\npass  provider.issuer  fine\n") {
		t.Errorf("%q", &plain)
	}
	if strip := strings.NewReplacer("\x1b[31m", "", "\x1b[32m", "", "\x1b[0m", ""); painted.String() == plain.String() || strip.Replace(painted.String()) != plain.String() {
		t.Errorf("%q", &painted)
	}
}

func TestProgressIsOneLineThatGoesAway(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	p := &progress{out: &out, what: "backup", size: inBytes}
	for _, done := range []int64{0, 1 << 20, 1<<20 + 1, 4 << 20} {
		p.tell(done, 4<<20)
	}
	p.end()
	const want = "\rbackup    0%  0 KiB of 4.0 MiB\x1b[K\rbackup   25%  1.0 MiB of 4.0 MiB\x1b[K\rbackup  100%  4.0 MiB of 4.0 MiB\x1b[K\r\x1b[K"
	if out.String() != want {
		t.Errorf("got\n%q, want\n%q", &out, want)
	}
	(&progress{}).tell(1, 2) // nobody looks
	(&progress{}).end()
	if quiet := (&surroundings{stderr: &out}).progressOf("backup", inBytes); quiet.out != nil {
		t.Error("progress is written where no terminal is")
	}
}

func TestSizesReadWell(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{0: "0 KiB", 1: "1 KiB", 32 << 10: "32 KiB", 1 << 20: "1.0 MiB", 3 << 29: "1.5 GiB"} {
		if got := inBytes(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
	if inRecords(1) != "1 record" || inRecords(2) != "2 records" {
		t.Error("one record is not two")
	}
}
