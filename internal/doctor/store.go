package doctor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/cloakroom-bff/cloakroom/session/boltstore"
	"github.com/cloakroom-bff/cloakroom/session/redisstore"
)

// store sees whether sessions have a place to live, and stay there.
func (e *exam) store(ctx context.Context, c *chart) {
	if e.cfg.Session.Store.URL.IsZero() {
		e.storeFile(c)
		return
	}
	e.storeServers(ctx, c)
}

// storeFile looks at the file of one process.
func (e *exam) storeFile(c *chart) {
	const check = "session.store"
	path := e.cfg.Session.Store.Bolt
	err := boltstore.Look(path)
	switch {
	case errors.Is(err, boltstore.ErrInUse) && e.running:
		c.pass(check, path+" is open in the running gateway")
	case errors.Is(err, boltstore.ErrInUse):
		c.fail(check, path+" is open in another process, and no gateway answers on admin.listen", "stop that process, or correct admin.listen if it is a gateway")
	case err != nil:
		c.fail(check, unprefixed(err), "mend that first: without its store the gateway does not start")
	default:
		c.pass(check, path+" can be read and written")
	}
}

// storeServers asks Redis or Valkey.
func (e *exam) storeServers(ctx context.Context, c *chart) {
	const check = "session.store"
	s, err := redisstore.Open(e.cfg.Session.Store.URL.Reveal(), redisstore.Options{})
	if err != nil {
		c.fail(check, unprefixed(err), "correct the URL, or the file that it names")
		return
	}
	defer func() { _ = s.Close() }() // of connections that have told what they had to
	if _, err := s.Now(ctx); err != nil {
		c.fail(check, unprefixed(err), "start it, or correct the URL; without it the gateway answers 503 and signs nobody in")
		return
	}
	servers, err := s.Survey(ctx)
	switch {
	case errors.Is(err, redisstore.ErrUntold):
		c.warn(check, s.String()+" answers, and does not tell about itself: its user may not run INFO",
			"give the user +info, or see by yourself that maxmemory-policy is noeviction")
	case err != nil:
		c.fail(check, unprefixed(err), "without it the gateway answers 503 and signs nobody in")
	default:
		for _, server := range servers {
			e.server(c, s, server)
		}
		e.replicas(c, servers)
	}
	e.exposure(c, s)
}

// unprefixed is an error of a store without the name of its package.
func unprefixed(err error) string {
	_, text, ok := strings.Cut(err.Error(), "store: ")
	if !ok {
		return err.Error()
	}
	return text
}

// server judges what one server says of itself.
func (e *exam) server(c *chart, s *redisstore.Store, v redisstore.Server) {
	name := fmt.Sprintf("%s %s at %s", v.Program, v.Version, v.Address)
	cluster := strings.HasPrefix(s.String(), "redis-cluster:")
	switch {
	case v.Program == "Redis" && olderThan(v.Version, 6, 2):
		c.fail("session.store", name+" is too old", "run Redis 6.2 or later, or Valkey")
	case v.Role == "slave" && !cluster:
		c.fail("session.store", name+" is a replica, and takes no writes", "name the master, or write redis-sentinel://")
	default:
		c.pass("session.store", name+" answers")
	}
	if v.Policy == "noeviction" {
		c.pass("session.store.eviction", name+" drops nothing when its memory is full (noeviction)")
	} else {
		c.fail("session.store.eviction", fmt.Sprintf("%s drops sessions when its memory is full: maxmemory-policy is %s", name, v.Policy), "set maxmemory-policy noeviction, and enough maxmemory")
	}
	if v.Limit > 0 && v.Used > v.Limit/10*9 {
		c.warn("session.store.memory", fmt.Sprintf("%s uses %d of %d MiB; beyond that it refuses logins and refreshes", name, v.Used>>20, v.Limit>>20), "raise maxmemory")
	}
	persistence(c, name, v)
}

func persistence(c *chart, name string, v redisstore.Server) {
	const check = "session.store.persistence"
	switch {
	case v.WriteFailed:
		c.fail(check, name+" could not write its file the last time", "look at its disk and its log; it refuses writes until that is mended")
	case v.AppendOnly:
		c.pass(check, name+" writes every change to its file")
	case v.NotTold:
		c.warn(check, name+" keeps no file of changes, and does not tell of snapshots", "see that a restart keeps its data: appendonly yes")
	case v.Snapshots == "":
		c.warn(check, name+" keeps nothing on disk: its restart signs everybody out, and leaves refresh tokens unrevoked", "set appendonly yes")
	default:
		c.warn(check, fmt.Sprintf("%s keeps snapshots only (save %s): a crash loses rotated refresh tokens, and with them sessions", name, v.Snapshots), "set appendonly yes")
	}
}

// replicas holds session.wait_replicas against those that follow.
func (e *exam) replicas(c *chart, servers []redisstore.Server) {
	const check = "session.wait_replicas"
	wanted := e.cfg.Session.WaitReplicas
	if wanted == 0 {
		return
	}
	for _, v := range servers {
		if v.Role == "master" && v.Replicas < wanted {
			c.fail(check, fmt.Sprintf("%s has %d replicas, and %d are waited for at each end and rotation", v.Address, v.Replicas, wanted), "start more replicas, or write a smaller number")
			return
		}
	}
	c.pass(check, fmt.Sprintf("every master has %d replicas or more", wanted))
}

// exposure looks at the way to the servers.
func (e *exam) exposure(c *chart, s *redisstore.Store) {
	const check = "session.store.exposure"
	away := ""
	for _, host := range s.Hosts() {
		if name, _, err := net.SplitHostPort(host); err == nil && !loopback(name) {
			away = host
		}
	}
	switch {
	case away == "":
		c.pass(check, "on this machine")
	case !s.Guarded():
		c.warn(check, away+" is on another machine, and the URL has no password", "give it a user and a password, and write them into the URL as ${file:…}")
	case !s.Secure():
		c.warn(check, away+" is on another machine, and the password goes there in the clear", "write rediss://, unless the network is yours alone")
	default:
		c.pass(check, "by TLS, with a password")
	}
}

// olderThan compares a version by its first two numbers. One that cannot be read is taken
// for new.
func olderThan(version string, major, minor int) bool {
	first, rest, _ := strings.Cut(version, ".")
	second, _, _ := strings.Cut(rest, ".")
	a, errA := strconv.Atoi(first)
	b, errB := strconv.Atoi(second)
	return errA == nil && errB == nil && (a < major || a == major && b < minor)
}
