package redisstore

import (
	"testing"
	"time"
)

// Whatever holds the heartbeat up, be it this very process, the link is not said to be up.
func TestTheLinkIsDownWhenTheHeartbeatIsLate(t *testing.T) {
	t.Parallel()
	s := newStore(t, "redis://"+nowhere(t))
	s.epoch = time.Now().Add(-time.Hour)
	for ago, want := range map[time.Duration]bool{0: true, 500 * time.Millisecond: true, blind: false, time.Minute: false} {
		s.linked.Store(int64(time.Hour - ago))
		if s.Linked() != want {
			t.Errorf("the last heartbeat began %v ago, and Linked is %v", ago, !want)
		}
	}
}
