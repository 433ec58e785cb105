//go:build profile

package main

import (
	"errors"
	"os"
	"runtime/pprof"
)

// profiled runs run and writes its CPU profile into the file that CPU_PROFILE names.
// `go run ./bench profile` builds such a binary, to make default.pgo; no other has this.
func profiled(env []string, run func() error) error {
	f, err := os.Create(valueOf(env, "CPU_PROFILE"))
	if err != nil {
		return err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return errors.Join(err, f.Close())
	}
	err = run()
	pprof.StopCPUProfile()
	return errors.Join(err, f.Close())
}
