package session

import (
	"testing"
	"time"
)

// A release that knows of no such thing has refreshed meanwhile, and left the rest as it was.
func TestATokenThatHoldsDoesNotMakeAnOutdatedSessionUpToDate(t *testing.T) {
	now := time.Now()
	st := &State{Outdated: outdated, Grant: Grant{Access: map[Target]AccessToken{{}: {Token: "at", Issued: now}}}}
	if _, done := new(flight).already(nil, st, now); done {
		t.Error("the flight has nothing to do")
	}
}
