package process

import (
	"os/exec"
	"syscall"
)

// bind lets the process end with this one, however that ends, and keeps the terminal's
// Ctrl-C from it: its owner stops it.
func bind(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
