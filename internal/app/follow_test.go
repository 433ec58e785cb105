package app

import (
	"context"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func TestFilesAreReadAgainWhenTheyHaveChangedAndAreAtRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		hangups := make(chan os.Signal)
		var content, reloads atomic.Int32
		go follow(ctx, hangups, func() contents { return contents{byte(content.Load())} }, func() { reloads.Add(1) })
		step := func(what string, want int32) {
			t.Helper()
			synctest.Wait()
			if n := reloads.Load(); n != want {
				t.Errorf("%s: %d reloads, want %d", what, n, want)
			}
		}
		synctest.Wait()
		time.Sleep(time.Minute + lookEvery/2) // from here on between two looks
		step("nothing has changed", 0)
		for range 10 {
			content.Add(1)
			time.Sleep(lookEvery)
		}
		step("the file is being written", 0)
		time.Sleep(lookEvery)
		step("the file is at rest", 1)
		time.Sleep(time.Minute)
		step("once is enough", 1)
		content.Add(1)
		hangups <- syscall.SIGHUP
		step("a hangup does not wait", 2)
		time.Sleep(time.Minute)
		step("and what it has read is not read again", 2)
		hangups <- syscall.SIGHUP
		step("a hangup without a change", 3)
		content.Add(-1)
		time.Sleep(3 * lookEvery)
		step("back to the old file", 4)
		stop()
	})
}
