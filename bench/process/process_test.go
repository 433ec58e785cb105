package process_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/cloakroom-bff/cloakroom/bench/process"
)

func TestAProgramThatEndsIsToldWithItsLog(t *testing.T) {
	t.Parallel()
	address, err := process.FreeAddress(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, err = process.Start(t.Context(), process.Program{
		Name: "a shell", Command: []string{"sh", "-c", "echo no such $THING; exit 1"}, Environ: []string{"THING=key"},
		Log: filepath.Join(t.TempDir(), "log"), Listens: address,
	})
	if err == nil || !strings.Contains(err.Error(), "a shell does not listen") || !strings.Contains(err.Error(), "no such key") {
		t.Errorf("the error is %v, want the name and what it printed", err)
	}
}
