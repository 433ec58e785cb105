//go:build e2e

package redisstore

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cloakroom-bff/cloakroom/session/storetest"
)

// keepsTheContract runs the conformance suite against servers that its tests share; each
// has its own prefix. Afterwards, every key must have an expiry.
func keepsTheContract(t *testing.T, url string, nodes ...*server) {
	t.Helper()
	var n atomic.Int64
	t.Run("contract", func(t *testing.T) {
		storetest.Run(t, func(t *testing.T) storetest.Fixture {
			separator := "?"
			if strings.Contains(url, "?") {
				separator = "&"
			}
			return storetest.Fixture{Store: connect(t, fmt.Sprintf("%s%sprefix=cloakroom:t%d:", url, separator, n.Add(1)), Options{})}
		})
	})
	total := 0
	for _, node := range nodes {
		endless, all := keysWithoutExpiry(t, node)
		if len(endless) > 0 {
			t.Errorf("%d of %d keys would stay for ever: %.200q", len(endless), all, endless)
		}
		total += all
	}
	if len(nodes) > 0 && total == 0 {
		t.Error("the suite left no key to look at")
	}
}

func TestRedisKeepsTheContract(t *testing.T) {
	t.Parallel()
	r := redis(t)
	keepsTheContract(t, "redis://"+r.addr(), r)
}

func TestValkeyKeepsTheContract(t *testing.T) {
	t.Parallel()
	v := valkey(t)
	keepsTheContract(t, "redis://"+v.addr(), v)
}

func TestAClusterKeepsTheContract(t *testing.T) {
	t.Parallel()
	nodes := startCluster(t)
	keepsTheContract(t, clusterURL(nodes), nodes...)
}

func TestSentinelsKeepTheContract(t *testing.T) {
	t.Parallel()
	master, _, url := startSentinels(t)
	keepsTheContract(t, url, master)
}
