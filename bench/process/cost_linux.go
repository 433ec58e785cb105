package process

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// CPU is the user and system time that the process and all that it has started have used
// so far.
func (p *Process) CPU() (time.Duration, error) {
	family, err := tree(p.Pid())
	if err != nil {
		return 0, err
	}
	var total time.Duration
	for _, s := range family {
		// The clock tells nanoseconds where /proc tells hundredths of a second.
		var used unix.Timespec
		err := unix.ClockGettime(clockOf(s.pid), &used)
		if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ESRCH) {
			continue // it has ended since, and its parent's next reading has it
		}
		if err != nil {
			return 0, fmt.Errorf("process: the CPU time of %d: %w", s.pid, err)
		}
		total += time.Duration(used.Nano()) + s.buried
	}
	return total, nil
}

// clockOf is the clock that runs while a process does (clock_getcpuclockid(3)).
func clockOf(pid int) int32 {
	const ofProcess = 2               // CPUCLOCK_SCHED, not per thread
	return int32(^pid)<<3 | ofProcess //nolint:gosec // the kernel's own way to write it
}

// Memory is what the process and all that it has started hold.
type Memory struct {
	RSS int64 // bytes that are resident, counted in each process that shares them
	PSS int64 // bytes that are resident, shared ones in parts
}

// Memory reads how much memory is held at this moment.
func (p *Process) Memory() (Memory, error) {
	family, err := tree(p.Pid())
	if err != nil {
		return Memory{}, err
	}
	var m Memory
	for _, s := range family {
		text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(s.pid), "smaps_rollup"))
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			continue
		}
		if err != nil {
			return Memory{}, fmt.Errorf("process: %w", err)
		}
		for line := range strings.Lines(string(text)) {
			fields := strings.Fields(line)
			if len(fields) != 3 || fields[2] != "kB" {
				continue
			}
			n, err := strconv.ParseInt(fields[1], 10, 64)
			if err != nil {
				return Memory{}, fmt.Errorf("process: %w", err)
			}
			switch fields[0] {
			case "Rss:":
				m.RSS += n << 10
			case "Pss:":
				m.PSS += n << 10
			}
		}
	}
	return m, nil
}

// stat is of one process what its family is found by.
type stat struct {
	pid, parent int
	buried      time.Duration // CPU time of children that have ended
}

// tree is a process and all that descend from it.
func tree(root int) ([]stat, error) {
	names, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	children := make(map[int][]stat)
	var family []stat
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			continue // it has ended since
		}
		s, err := readStat(string(text))
		if err != nil {
			return nil, err
		}
		if s.pid == root {
			family = append(family, s)
		} else {
			children[s.parent] = append(children[s.parent], s)
		}
	}
	if len(family) == 0 {
		return nil, fmt.Errorf("process: %d has ended", root)
	}
	for i := 0; i < len(family); i++ {
		family = append(family, children[family[i].pid]...)
	}
	return family, nil
}

// readStat reads a line of /proc/PID/stat (proc(5)).
func readStat(line string) (stat, error) {
	// The command's name, in parentheses, may hold anything; what follows does not.
	end := strings.LastIndexByte(line, ')')
	first, _, _ := strings.Cut(line, " ")
	fields := strings.Fields(line[end+1:])
	if end < 0 || len(fields) < 15 {
		return stat{}, fmt.Errorf("process: %q is no line of /proc", line)
	}
	var n [4]int64
	for i, text := range []string{first, fields[1], fields[13], fields[14]} {
		var err error
		if n[i], err = strconv.ParseInt(text, 10, 64); err != nil {
			return stat{}, fmt.Errorf("process: %q is no line of /proc: %w", line, err)
		}
	}
	const tick = time.Second / 100 // USER_HZ is 100 for every program
	return stat{pid: int(n[0]), parent: int(n[1]), buried: time.Duration(n[2]+n[3]) * tick}, nil
}
