//go:build unix

package main

import (
	"os"
	"os/signal"
	"syscall"
)

// notifyRestarts sends the signal for a restart to c.
func notifyRestarts(c chan<- os.Signal) { signal.Notify(c, syscall.SIGUSR2) }
