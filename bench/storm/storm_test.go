package storm

import (
	"net/http"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/bench/rig"
)

func TestCallsAreCountedInTheirTenSeconds(t *testing.T) {
	t.Parallel()
	began := time.Unix(1000, 0)
	list := spans(began, []rig.Call{
		{At: began, Status: http.StatusOK, Took: time.Millisecond},
		{At: began.Add(9 * time.Second), Status: http.StatusServiceUnavailable, Took: time.Second},
		{At: began.Add(21 * time.Second), Status: http.StatusUnauthorized},
	})
	if len(list) != 3 || list[0].OK != 1 || list[0].Later != 1 || list[1].OK != 0 || list[2].Failed != 1 || list[2].From != 20 {
		t.Errorf("%+v", list)
	}
	if list[0].Served.P50 != 1000 || list[0].Denied.P50 != 1_000_000 {
		t.Errorf("%+v", list[0])
	}
}
