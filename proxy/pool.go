package proxy

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

// mostServers bounds a list of upstreams: a set of them is one word.
const mostServers = 64

// pool is the servers of a list of upstreams. Routes with the same list share it.
type pool struct {
	servers []*server
	now     func() time.Time
}

// pools makes one pool for each list of upstreams, time-out, kind of TLS and health check.
type pools map[poolKey]*pool

type poolKey struct {
	servers string
	timeout time.Duration
	tls     *UpstreamTLS
	check   check
}

// pool returns the pool of a route's upstreams.
func (w *ways) pool(rt *Route, cfg Config) *pool {
	key := poolKey{timeout: rt.Timeout, tls: rt.UpstreamTLS, check: check{rt.Balance.HealthPath, rt.Balance.HealthInterval}}
	servers := rt.servers()
	for _, u := range servers {
		key.servers += u.Scheme + "://" + u.Host + " "
	}
	return known(w.pools, w.before.pools, key, func() *pool {
		p := &pool{now: cfg.Now}
		for i, u := range servers {
			t := w.transport(u, rt.Timeout, rt.UpstreamTLS)
			s := newServer(i, u, t, key.check, cfg)
			s.way = &prover{w.proofs, t}
			p.servers = append(p.servers, s)
		}
		return p
	})
}

// server is one of the servers that do the same.
type server struct {
	host      string // with the port, if it is written
	set       serverSet
	transport *transport
	way       http.RoundTripper // of requests: by the transport
	inFlight  atomic.Int64      // requests whose answers have not come to their end

	health
	check check
	probe url.URL // what a check asks for
	now   func() time.Time
	log   *slog.Logger
}

// serverSet is a set of servers of one pool.
type serverSet uint64

// slowStart is how long a server that has come back gets less than its share.
const slowStart = 10 * time.Second

// share is a server's part of the requests, between 0 and 1.
func (s *server) share(now time.Time) float64 {
	back := s.back.Load()
	if back == 0 {
		return 1
	}
	return min(max(float64(now.UnixNano()-back)/float64(slowStart), 0.1), 1)
}

// pick chooses a server for a request; nil if all have been tried. Where no server is known
// to be there, any will do: the knowledge may be old.
func (p *pool) pick(who *session.ID, tried serverSet) *server {
	if s := p.choose(who, tried, true); s != nil {
		return s
	}
	return p.choose(who, tried, false)
}

func (p *pool) choose(who *session.ID, tried serverSet, healthy bool) *server {
	var best *server
	var load, total float64 // of the best, and the shares of those with the same load
	var rank uint64
	now := p.now()
	for _, s := range p.servers {
		if tried&s.set != 0 || healthy && s.out.Load() {
			continue
		}
		if who != nil {
			if r := s.rank(who); best == nil || r > rank {
				best, rank = s, r
			}
			continue
		}
		share := s.share(now)
		mine := float64(s.inFlight.Load()) / share
		switch order := cmp.Compare(mine, load); {
		case best == nil || order < 0:
			best, load, total = s, mine, share
		case order == 0:
			// Among equals each is chosen as often as its share says.
			if total += share; rand.Float64()*total < share { //nolint:gosec // no secret
				best = s
			}
		}
	}
	return best
}

// rank is how well a server suits a session. The highest wins, so that a server that goes
// moves its own sessions only (rendezvous hashing).
func (s *server) rank(who *session.ID) uint64 {
	sum := sha256.Sum256(append(who[:], s.host...))
	return binary.BigEndian.Uint64(sum[:8])
}
