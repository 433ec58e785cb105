package main

import (
	"context"
	"fmt"

	"github.com/cloakroom-bff/cloakroom/bench/stage"
)

// role is who stands on the stage in a cell.
type role string

// The roles.
const (
	direct      role = "direct"
	nginx       role = "nginx"
	tuned       role = "tuned"
	untuned     role = "default"
	bolt        role = "bolt"
	redis       role = "redis"
	ingress     role = "ingress"
	authRequest role = "auth_request"
	o2pRedis    role = "oauth2-proxy-redis"
	o2pCookie   role = "oauth2-proxy-cookie"
	apache      role = "apache"
	tunedTLS    role = "tuned-tls"
	nginxTLS    role = "nginx-tls"
	boltTLS     role = "bolt-tls"
)

// cast finds who plays a role, and has those stay on the stage that can play again.
type cast struct {
	st       *stage.Stage
	binaries []stage.Binary // gateways that are compared; the first plays bolt and redis
	known    map[role]*stage.Side
	redis    *stage.Redis   // of those that have few sessions; nil before the first
	crowds   []*stage.Side  // gateways with many sessions, until the cell is done
	servers  []*stage.Redis // theirs
}

func newCast(st *stage.Stage, binaries []stage.Binary) *cast {
	return &cast{st: st, binaries: binaries, known: make(map[role]*stage.Side)}
}

// play returns the side for a role, with so many sessions in the gateway's store.
func (c *cast) play(ctx context.Context, r role, sessions int) (*stage.Side, error) {
	if sessions > 1 && (r == bolt || r == redis) {
		return c.crowded(ctx, r, sessions)
	}
	if s := c.known[r]; s != nil {
		return s, nil
	}
	s, err := c.enter(ctx, r)
	if err != nil {
		return nil, err
	}
	c.known[r] = s
	return s, nil
}

// enter starts who plays a role.
func (c *cast) enter(ctx context.Context, r role) (*stage.Side, error) {
	switch r {
	case direct:
		return c.st.Direct(), nil
	case nginx:
		return c.st.Nginx(ctx)
	case tuned, untuned:
		return c.st.Bare(ctx, r == tuned)
	case bolt:
		return c.st.Gateway(ctx, stage.Binary{Name: "cloakroom", Path: c.binaries[0].Path})
	case boltTLS:
		return c.st.Gateway(ctx, stage.Binary{Name: "cloakroom", Path: c.binaries[0].Path, TLS: true})
	case tunedTLS:
		return c.st.BareTLS(ctx)
	case nginxTLS:
		return c.st.NginxTLS(ctx)
	case ingress:
		return c.st.Gateway(ctx, stage.Binary{Name: "cloakroom", Path: c.binaries[0].Path, Ingress: true})
	case authRequest:
		behind, err := c.play(ctx, ingress, 1)
		if err != nil {
			return nil, err
		}
		return c.st.AuthRequest(ctx, behind)
	case o2pCookie:
		return c.st.OAuth2Proxy(ctx, nil)
	case redis, o2pRedis, apache:
		if err := c.openRedis(ctx); err != nil {
			return nil, err
		}
		switch r {
		case o2pRedis:
			return c.st.OAuth2Proxy(ctx, c.redis)
		case apache:
			return c.st.Apache(ctx, c.redis)
		}
		return c.st.Gateway(ctx, stage.Binary{Name: "cloakroom, Redis", Path: c.binaries[0].Path, Redis: c.redis})
	}
	for _, b := range c.binaries {
		if r == role(b.Name) {
			return c.st.Gateway(ctx, b)
		}
	}
	return nil, fmt.Errorf("nobody plays %s", r)
}

func (c *cast) openRedis(ctx context.Context) (err error) {
	if c.redis == nil {
		c.redis, err = c.st.Redis(ctx)
	}
	return err
}

// crowded starts a gateway with many sessions, and on Redis a server of its own.
func (c *cast) crowded(ctx context.Context, r role, sessions int) (*stage.Side, error) {
	b := stage.Binary{Name: "cloakroom", Path: c.binaries[0].Path, Sessions: sessions}
	if r == redis {
		server, err := c.st.Redis(ctx)
		if err != nil {
			return nil, err
		}
		b.Name, b.Redis = "cloakroom, Redis", server
		c.servers = append(c.servers, server)
	}
	s, err := c.st.Gateway(ctx, b)
	if err == nil {
		c.crowds = append(c.crowds, s)
	}
	return s, err
}

// leave has those go that stand for one cell only: their sessions take gigabytes.
func (c *cast) leave() {
	for _, s := range c.crowds {
		c.st.Stop(s)
	}
	for _, r := range c.servers {
		c.st.StopRedis(r)
	}
	c.crowds, c.servers = nil, nil
}
