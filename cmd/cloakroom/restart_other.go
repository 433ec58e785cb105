//go:build !unix

package main

import "os"

// notifyRestarts does nothing: there is no such signal, and no hand-over.
func notifyRestarts(chan<- os.Signal) {}
