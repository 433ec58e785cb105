//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/devidp"
)

// T13: the provider has done what it was asked, and the answer never arrives. What comes
// of it is the provider's manner.
func TestALostAnswerIsWhatTheProvidersRotationMakesOfIt(t *testing.T) {
	t.Parallel()
	const lives, over = "200", "401 session_expired"
	everyStore(t, func(t *testing.T, bolt bool) {
		f := launch(t, setting{scenario: "T13 lost answers", bolt: bolt, timeout: "1s", wait: "10s"})
		survived, ended := 0, 0
		for _, row := range []struct {
			mode   devidp.RefreshTokenMode
			leeway time.Duration
			want   map[devidp.Mode]string
		}{
			{devidp.Static, 0, map[devidp.Mode]string{devidp.CommitThenDrop: lives, devidp.CommitThenHang: lives}},
			{devidp.Overlapping, 0, map[devidp.Mode]string{devidp.CommitThenDrop: lives, devidp.CommitThenHang: lives}},
			{devidp.Rotating, 30 * time.Second, map[devidp.Mode]string{devidp.CommitThenDrop: lives, devidp.CommitThenHang: lives}},
			{devidp.Rotating, 500 * time.Millisecond, map[devidp.Mode]string{devidp.CommitThenHang: over}},
			{devidp.Rotating, 0, map[devidp.Mode]string{devidp.CommitThenDrop: over, devidp.CommitThenHang: over}},
			{devidp.Idempotent, 0, map[devidp.Mode]string{devidp.CommitThenDrop: lives, devidp.CommitThenHang: lives}},
			{devidp.Idempotent, 500 * time.Millisecond, map[devidp.Mode]string{devidp.CommitThenDrop: lives, devidp.CommitThenHang: over}},
		} {
			for mode, want := range row.want {
				name := fmt.Sprintf("%s with %v of leeway, %s", row.mode, row.leeway, mode)
				f.provider.Adjust(func(k *devidp.Knobs) { k.RefreshTokenMode, k.ReuseLeeway = row.mode, row.leeway })
				ticket := f.expired()
				presented := f.provider.RefreshToken("user00")
				f.loseNext(mode)
				if got := f.burst(t.Context(), 40, ticket, "/api/orders")(); !got.only(want, 40) {
					t.Errorf("%s: got %v, want %s", name, got, want)
				}
				if n := f.provider.Presentations(presented); n != 2 {
					t.Errorf("%s: presented %d times, want 2", name, n)
				}
				if survived++; want == over {
					survived, ended = survived-1, ended+1
				}
			}
		}
		if got := f.ends(); got["outcome_lost"] != ended || len(got) != 1 {
			t.Errorf("sessions ended: %v, want %d, outcome_lost", got, ended)
		}
		f.remark = fmt.Sprintf("%d cells, %d live, %d end once", survived+ended, survived, ended)
	})
}

// loseNext loses the answer to the next token request, and only to that.
func (f *fleet) loseNext(mode devidp.Mode) {
	f.provider.Adjust(func(k *devidp.Knobs) {
		k.Timing = devidp.Timing{Mode: mode}
		// The script runs when the request has come and its fate is settled.
		k.ClaimsScript = func(context.Context, string, map[string]any) error {
			f.provider.Adjust(func(k *devidp.Knobs) { k.Timing, k.ClaimsScript = devidp.Timing{}, nil })
			return nil
		}
	})
}
