//go:build !linux

package process

import (
	"errors"
	"time"
)

var errLinux = errors.New("process: what a process costs is known on Linux only: run this in a container")

// CPU fails: see the package.
func (p *Process) CPU() (time.Duration, error) { return 0, errLinux }

// Memory is what a process holds; unknown here.
type Memory struct{ RSS, PSS int64 }

// Memory fails: see the package.
func (p *Process) Memory() (Memory, error) { return Memory{}, errLinux }
