package oidc

import "fmt"

// Usage says when something is used that a provider may offer or demand.
type Usage string

// The usages. The zero value means ByProvider.
const (
	ByProvider Usage = "auto"
	Always     Usage = "always"
	Never      Usage = "never"
)

func (u Usage) check(name string) error {
	switch u {
	case ByProvider, Always, Never:
		return nil
	}
	return fmt.Errorf("oidc: %s is %q; use %s, %s or %s", name, string(u), ByProvider, Always, Never)
}
