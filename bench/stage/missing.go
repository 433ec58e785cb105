package stage

import (
	"fmt"
	"os/exec"
)

// MissingError says that a part is not installed on this machine.
type MissingError struct{ Package string }

func (e *MissingError) Error() string {
	return fmt.Sprintf("%s is not installed: .ci/run packages, or the system's package of that name, brings it", e.Package)
}

func missing(name string) error { return &MissingError{name} }

// lookFor finds a program, also where only root's path has it.
func lookFor(name, path string) (string, error) {
	for _, candidate := range []string{name, path} {
		if found, err := exec.LookPath(candidate); err == nil {
			return found, nil
		}
	}
	return "", missing(name)
}
