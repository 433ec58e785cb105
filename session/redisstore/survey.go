package redisstore

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/rueidis"
)

// ErrUntold says that the store's user may not ask a server about itself (INFO). It comes
// wrapped.
var ErrUntold = errors.New("the user of the store's URL may not run INFO")

// Server is what one server of the store says of itself, as far as sessions depend on it.
type Server struct {
	Address string
	Program string // "Redis", or "Valkey"
	Version string // such as 7.2.4
	Role    string // "master" or "slave"

	Policy    string // maxmemory-policy
	Limit     int64  // maxmemory in bytes; 0: none
	Used      int64  // bytes
	Replicas  int    // that follow
	MinToSave int    // min-replicas-to-write; 0 as well where the server does not tell

	AppendOnly  bool   // whether the server writes every change to its file
	WriteFailed bool   // whether its last write to disk failed, of either kind
	Snapshots   string // the rule of its snapshots, "" for none
	NotTold     bool   // Snapshots and MinToSave are not known: CONFIG GET is not allowed
}

// Survey asks every server that the store knows of for what it says of itself, in the
// order of their addresses. It changes nothing. Beside what the store needs otherwise, the
// user must be allowed INFO, and may be allowed CONFIG GET.
func (s *Store) Survey(ctx context.Context) ([]Server, error) {
	var all []Server
	err := s.read(ctx, "survey", func(ctx context.Context, c rueidis.Client) error {
		all = nil
		nodes := c.Nodes()
		for _, address := range slices.Sorted(maps.Keys(nodes)) {
			server, err := surveyed(ctx, nodes[address])
			if err != nil {
				return err
			}
			server.Address = address
			all = append(all, server)
		}
		return nil
	})
	return all, err
}

// Secure reports whether the store speaks TLS.
func (s *Store) Secure() bool { return s.addr.tls }

// Guarded reports whether the store's URL has a password.
func (s *Store) Guarded() bool { return s.addr.pass != "" }

// Hosts are the servers that the store's URL names, as host:port.
func (s *Store) Hosts() []string { return slices.Clone(s.addr.hosts) }

func surveyed(ctx context.Context, c rueidis.Client) (Server, error) {
	text, err := c.Do(ctx, c.B().Info().Build()).ToString()
	if e, answered := rueidis.IsRedisErr(err); answered && strings.HasPrefix(e.Error(), "NOPERM") {
		return Server{}, fmt.Errorf("%w: %w", ErrUntold, err)
	}
	if err != nil {
		return Server{}, err
	}
	info := readInfo(text)
	server := Server{
		Program: "Redis", Version: info["redis_version"], Role: info["role"],
		Policy: info["maxmemory_policy"], Limit: number(info["maxmemory"]), Used: number(info["used_memory"]),
		Replicas:    int(number(info["connected_slaves"])),
		AppendOnly:  info["aof_enabled"] == "1",
		WriteFailed: info["rdb_last_bgsave_status"] == "err" || info["aof_last_write_status"] == "err",
	}
	if info["valkey_version"] != "" {
		server.Program, server.Version = "Valkey", info["valkey_version"]
	}
	rules, err := c.Do(ctx, c.B().ConfigGet().Parameter("save", "min-replicas-to-write").Build()).AsStrMap()
	if _, answered := rueidis.IsRedisErr(err); answered {
		server.NotTold = true // Managed servers and tight ACLs keep it to themselves.
		return server, nil
	}
	if err != nil {
		return Server{}, fmt.Errorf("settings: %w", err)
	}
	server.Snapshots, server.MinToSave = rules["save"], int(number(rules["min-replicas-to-write"]))
	return server, nil
}

// readInfo reads the lines of INFO, name:value.
func readInfo(text string) map[string]string {
	info := make(map[string]string)
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			info[name] = value
		}
	}
	return info
}

func number(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0
	}
	return n
}
