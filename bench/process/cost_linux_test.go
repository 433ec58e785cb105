package process

import (
	"os/exec"
	"testing"
	"time"
)

func TestTheCostOfAProcessIncludesItsChildren(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ name, script string }{
		{"one that lives", `sh -c 'i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; echo; exec sleep 60' & wait`},
		{"one that has ended", `sh -c 'i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done'; echo; exec sleep 60`},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), "sh", "-c", row.script)
			bind(cmd)
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = cmd.Wait() })                 // the context has killed it by then
			if _, err := out.Read(make([]byte, 1)); err != nil { // the work is done
				t.Fatal(err)
			}
			p := &Process{cmd: cmd}
			used, err := p.CPU()
			if err != nil {
				t.Fatal(err)
			}
			if used < 10*time.Millisecond {
				t.Errorf("the family has used %v, want what the child has worked", used)
			}
			if m, err := p.Memory(); err != nil || m.RSS == 0 || m.PSS == 0 || m.PSS > m.RSS {
				t.Errorf("the family holds %+v, %v", m, err)
			}
		})
	}
}

func TestAProcessWithAStrangeNameIsRead(t *testing.T) {
	t.Parallel()
	const line = "4711 (a) b (c) S 12 4711 4711 0 -1 4194304 100 0 0 0 5 6 700 20 20 0 1 0 100 0 0\n"
	s, err := readStat(line)
	if want := (stat{pid: 4711, parent: 12, buried: 7200 * time.Millisecond}); err != nil || s != want {
		t.Errorf("it was read as %+v, %v, want %+v", s, err, want)
	}
	if _, err := readStat("4711 (sh) S"); err == nil {
		t.Error("a line that was cut off was read")
	}
}

func TestAProcessThatHasEndedCostsNothingAnyMore(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), "true")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	if _, err := (&Process{cmd: cmd}).CPU(); err == nil {
		t.Error("a process that is gone was measured")
	}
}
