//go:build !profile

package main

// profiled runs run. With the build tag profile it also writes a CPU profile.
func profiled(_ []string, run func() error) error { return run() }
