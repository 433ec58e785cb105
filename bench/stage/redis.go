package stage

import (
	"context"
	"net"
	"os/exec"

	"github.com/cloakroom-bff/cloakroom/bench/process"
)

// Redis is a server that keeps what it is given in memory alone.
type Redis struct {
	URL string

	address string
	process *process.Process
}

// Redis starts a server.
func (st *Stage) Redis(ctx context.Context) (*Redis, error) {
	path, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, missing("redis-server")
	}
	address, err := process.FreeAddress(ctx)
	if err != nil {
		return nil, err
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	p, err := st.start(ctx, "redis", address, path, "--port", port, "--bind", "127.0.0.1", "--dir", st.Dir, "--save", "", "--appendonly", "no")
	if err != nil {
		return nil, err
	}
	return &Redis{"redis://" + address, address, p}, nil
}

// StopRedis ends a server before the Stage.
func (st *Stage) StopRedis(r *Redis) { st.stop(r.process) }
