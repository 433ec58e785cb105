package main

import (
	"fmt"
	"slices"
)

// everybody is who answers a signed-in call, from the floor up; the first is the baseline.
func everybody() []role {
	return []role{tuned, direct, nginx, untuned, bolt, redis, o2pRedis, o2pCookie, apache}
}

// core is what every run repeats: a dozen cells of a few minutes together.
func core() []cell {
	return []cell{
		newCell("json", 32, 1, everybody()...),
		newCell("http2", 32, 1, tunedTLS, boltTLS),
		newCell("json-100k", 32, 1, tuned, bolt),
		newCell("public", 32, 1, tuned, bolt),
		newCell("file", 32, 1, tuned, nginx, bolt),
		newCell("verify", 32, 1, tuned, ingress, o2pRedis),
		newCell("websocket", 32, 1, tuned, bolt),
	}
}

// matrix is all that the page has.
func matrix() []cell {
	all := []cell{
		newCell("json", 1, 1, everybody()...),
		newCell("json", 32, 1, append(everybody(), authRequest)...),
		newCell("json", 512, 1, everybody()...),
		newCell("http2", 32, 1, tunedTLS, nginxTLS, boltTLS),
		newCell("json-100k", 32, 1, everybody()...),
		newCell("json-1m", 32, 1, everybody()...),
		newCell("post", 32, 1, everybody()...),
		newCell("public", 32, 1, tuned, nginx, bolt, o2pRedis, apache),
		newCell("file", 32, 1, tuned, nginx, bolt),
		newCell("verify", 32, 1, tuned, ingress, o2pRedis, o2pCookie),
		newCell("websocket", 32, 1, tuned, nginx, bolt, redis, o2pRedis),
	}
	for _, sessions := range []int{1000, 100_000, 1_000_000} {
		all = append(all, newCell("json", 32, sessions, tuned, bolt, redis))
	}
	return all
}

// newCell is a cell with a name of its own.
func newCell(work string, connections, sessions int, roles ...role) cell {
	known := workloads()
	i := slices.IndexFunc(known, func(w workload) bool { return w.name == work })
	name := fmt.Sprintf("%s-%d", work, connections)
	if sessions > 1 {
		name += fmt.Sprintf("-of-%d", sessions)
	}
	return cell{name: name, work: known[i], connections: connections, sessions: sessions, roles: roles}
}
