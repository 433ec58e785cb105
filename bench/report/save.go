package report

import (
	"encoding/json"
	"fmt"
	"os"
)

// Save writes the figures into a file.
func (r *Run) Save(file string) error {
	text, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return os.WriteFile(file, append(text, '\n'), 0o644) //nolint:gosec // Figures are no secret.
}

// Load reads what Save has written.
func Load(file string) (*Run, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	r := &Run{}
	if err := json.Unmarshal(text, r); err != nil {
		return nil, fmt.Errorf("report: %s: %w", file, err)
	}
	return r, nil
}
