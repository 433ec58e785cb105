package redisstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/redis/rueidis"

	"github.com/cloakroom-bff/cloakroom/session"
)

// beat is the pause between two heartbeats.
const beat = 200 * time.Millisecond

// Run watches the link to the servers, and makes it where there is none, until ctx ends or
// the store is closed; then it returns nil. One Run is enough.
func (s *Store) Run(ctx context.Context) error {
	tick := time.NewTicker(beat)
	defer tick.Stop()
	defer s.linked.Store(0)
	h := heart{s: s, roles: map[string]role{}}
	for known, up := false, false; ; {
		began := time.Since(s.epoch)
		err := h.beat(ctx)
		switch {
		case ctx.Err() != nil || s.isClosed():
			return nil
		case err != nil:
			s.linked.Store(0)
		default:
			s.linked.Store(int64(began))
		}
		if now := err == nil; !known || now != up {
			known, up = true, now
			s.report(ctx, err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

func (s *Store) report(ctx context.Context, err error) {
	if err != nil {
		s.log.LogAttrs(ctx, slog.LevelWarn, "the store is away", slog.String("store", s.addr.String()), slog.Any("error", err))
		return
	}
	s.log.LogAttrs(ctx, slog.LevelInfo, "the store is there", slog.String("store", s.addr.String()))
}

// role is what a node was when it last answered.
type role int

const (
	unknown role = iota
	master
	replica
)

// heart asks every node for its role, over the connection on which its notices come. It
// belongs to Run.
type heart struct {
	s     *Store
	roles map[string]role // by address
}

// errReplica says that the server that should be a master is none.
var errReplica = errors.New("the server is a replica")

// beat makes one round. It fails if a master does not answer.
func (h *heart) beat(ctx context.Context) error {
	var fresh map[string]role
	err := h.s.with(ctx, "heartbeat", func(ctx context.Context, c rueidis.Client) (err error) {
		if fresh, err = h.ask(ctx, c); err != nil {
			return err
		}
		if h.s.addr.mode != cluster {
			for _, r := range fresh {
				if r == replica {
					// What it says may be old, and it may be the name of another by now.
					if h.s.addr.mode == single {
						h.s.conn.drop(c)
					}
					return errReplica
				}
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if !maps.Equal(masters(h.roles), masters(fresh)) {
		// What others write to a new master, an old one need not tell us.
		h.s.tell(session.ID{})
	}
	h.roles = fresh
	return nil
}

func masters(roles map[string]role) map[string]role {
	m := maps.Clone(roles)
	maps.DeleteFunc(m, func(_ string, r role) bool { return r != master })
	return m
}

// ask returns every node's role. A replica that is away keeps its role: it is of no use
// to us anyway.
func (h *heart) ask(ctx context.Context, c rueidis.Client) (map[string]role, error) {
	var mu sync.Mutex
	var group sync.WaitGroup
	var errs []error
	fresh := map[string]role{}
	for addr, node := range c.Nodes() {
		group.Go(func() {
			r, err := askRole(ctx, node)
			mu.Lock()
			defer mu.Unlock()
			if err != nil && h.roles[addr] != replica {
				errs = append(errs, fmt.Errorf("%s: %w", addr, err))
			}
			if err != nil {
				r = h.roles[addr]
			}
			fresh[addr] = r
		})
	}
	group.Wait()
	return fresh, errors.Join(errs...)
}

// askRole asks one node. One that may not say it is believed to be a master, if it answers.
func askRole(ctx context.Context, node rueidis.Client) (role, error) {
	answer, err := node.Do(ctx, node.B().Role().Build()).ToArray()
	if _, ok := rueidis.IsRedisErr(err); ok {
		return master, node.Do(ctx, node.B().Ping().Build()).Error()
	}
	if err != nil {
		return unknown, err
	}
	if len(answer) > 0 {
		if name, err := answer[0].ToString(); err == nil && name != "master" {
			return replica, nil
		}
	}
	return master, nil
}
