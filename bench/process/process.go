// Package process starts what is measured, and reads what it costs from the system.
//
//	p, err := process.Start(ctx, process.Program{Name: "nginx", Command: []string{"nginx", "-c", conf}, Log: logFile, Listens: address})
//	…
//	defer p.Stop()
//	before, err := p.CPU()
//	…load…
//	after, err := p.CPU()
//
// What a process costs includes all that it has started: Apache and nginx leave the work to
// children. Costs are known on Linux only; the rest builds everywhere.
package process

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"time"
)

// Program says what is started.
type Program struct {
	Name    string   // in errors
	Command []string // with its arguments
	Environ []string // added to our own
	Log     string   // the file that gets what it prints
	Listens string   // the host:port that it has to open before it counts as started
}

// Process is a program that runs.
type Process struct {
	program Program
	cmd     *exec.Cmd
	log     *os.File
	ended   chan struct{} // closed when it has ended
}

// Times of a process.
const (
	startWithin = 30 * time.Second
	stopWithin  = 10 * time.Second
)

// Start starts a program and returns when it listens, or else an error that holds its log.
// It ends with ctx at the latest.
func Start(ctx context.Context, program Program) (*Process, error) {
	p := &Process{program: program, ended: make(chan struct{})}
	p.cmd = exec.CommandContext(ctx, program.Command[0], program.Command[1:]...)
	p.cmd.Env = append(p.cmd.Environ(), program.Environ...)
	p.cmd.Cancel = func() error { return p.cmd.Process.Signal(os.Interrupt) }
	p.cmd.WaitDelay = stopWithin
	bind(p.cmd)
	var err error
	if p.log, err = os.Create(program.Log); err != nil {
		return nil, err
	}
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	if err := p.cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", program.Name, err), p.log.Close())
	}
	go p.wait() // until the program ends, which Stop sees to
	if err := p.listens(ctx); err != nil {
		p.Stop()
		return nil, fmt.Errorf("%s does not listen: %w\n%s", program.Name, err, p.Logged())
	}
	return p, nil
}

// listens waits until the program's address takes connections.
func (p *Process) listens(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", p.program.Listens)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-again.C:
		case <-p.ended:
			return errors.New("it has ended")
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		}
	}
}

func (p *Process) wait() {
	_ = p.cmd.Wait() // how it ended says nothing about what was measured
	close(p.ended)
}

// Stop ends the process, and waits for that; one that does not listen is killed.
func (p *Process) Stop() {
	_ = p.cmd.Process.Signal(os.Interrupt) // one that has ended needs none
	late := time.NewTimer(stopWithin)
	defer late.Stop()
	select {
	case <-p.ended:
	case <-late.C:
		_ = p.cmd.Process.Kill()
		<-p.ended
	}
	_ = p.log.Close() // it is read by name
}

// Pid is the number of the process.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Logged is what the process has printed so far.
func (p *Process) Logged() string {
	said, _ := os.ReadFile(p.program.Log) // it goes into an error, which is told without it, too
	return string(said)
}

// Ports below those that a system gives to outgoing connections.
const firstPort, lastPort = 20_000, 30_000

// FreeAddress returns a loopback address that nothing listens on.
func FreeAddress(ctx context.Context) (string, error) {
	var failed error
	for range 100 {
		address := fmt.Sprintf("127.0.0.1:%d", firstPort+rand.IntN(lastPort-firstPort)) //nolint:gosec // A port is no secret.
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
		if err == nil {
			return address, l.Close()
		}
		failed = err
	}
	return "", fmt.Errorf("no port is free: %w", failed)
}
