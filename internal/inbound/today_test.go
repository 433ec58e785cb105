package inbound

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestTheDateGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d today
		for _, want := range []string{"Date: Sat, 01 Jan 2000 00:00:00 GMT\r\n", "Date: Sat, 01 Jan 2000 00:00:01 GMT\r\n"} {
			if first, again := d.line(), d.line(); first != want || again != want {
				t.Errorf("%q, %q", first, again)
			}
			time.Sleep(time.Second)
		}
	})
}
