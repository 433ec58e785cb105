//go:build e2e

package redisstore

import (
	"errors"
	"strconv"
	"testing"
)

func TestServersTellOfThemselves(t *testing.T) {
	t.Parallel()
	careful := redis(t, "--maxmemory-policy", "noeviction", "--maxmemory", "100mb", "--appendonly", "yes", "--min-replicas-to-write", "0")
	careless := redis(t, "--maxmemory-policy", "allkeys-lru", "--save", "900", "1")
	other := valkey(t)
	replica := redis(t, "--replicaof", "127.0.0.1", strconv.Itoa(careful.port))
	for _, row := range []struct {
		server *server
		holds  func(Server) bool
	}{
		{careful, func(v Server) bool {
			return v.Program == "Redis" && v.Role == "master" && v.Policy == "noeviction" && v.Limit == 100<<20 && v.Used > 0 && v.AppendOnly && v.Snapshots == ""
		}},
		{careless, func(v Server) bool {
			return v.Policy == "allkeys-lru" && v.Limit == 0 && !v.AppendOnly && v.Snapshots == "900 1"
		}},
		{other, func(v Server) bool { return v.Program == "Valkey" && v.Version != "" && v.Role == "master" }},
		{replica, func(v Server) bool { return v.Role == "slave" }},
	} {
		all, err := connect(t, "redis://"+row.server.addr(), Options{}).Survey(t.Context())
		if err != nil || len(all) != 1 || all[0].Address != row.server.addr() || all[0].NotTold || !row.holds(all[0]) {
			t.Errorf("%+v, %v", all, err)
		}
	}
}

func TestEveryNodeOfAClusterTellsOfItself(t *testing.T) {
	t.Parallel()
	all, err := connect(t, clusterURL(startCluster(t)), Options{}).Survey(t.Context())
	if err != nil || len(all) != 3 {
		t.Errorf("%+v, %v", all, err)
	}
}

func TestAUserThatMayNotAskIsToldFromAServerThatIsAway(t *testing.T) {
	t.Parallel()
	args := append([]string{"--user", "cloakroom", "on", ">secret"}, documentedACL(t)...)
	silent := redis(t, args...)
	if _, err := connect(t, "redis://cloakroom:secret@"+silent.addr(), Options{}).Survey(t.Context()); !errors.Is(err, ErrUntold) {
		t.Errorf("without INFO the error is %v", err)
	}
	terse := redis(t, append(args, "+info")...)
	all, err := connect(t, "redis://cloakroom:secret@"+terse.addr(), Options{}).Survey(t.Context())
	if err != nil || len(all) != 1 || !all[0].NotTold || all[0].Policy != "noeviction" {
		t.Errorf("without CONFIG GET: %+v, %v", all, err)
	}
}
