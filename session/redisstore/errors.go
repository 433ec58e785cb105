package redisstore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/redis/rueidis"
)

// errClosed answers every call after Close; errors.Is finds os.ErrClosed in it.
var errClosed = fmt.Errorf("redisstore: the store is closed: %w", os.ErrClosed)

// errSilent says that a server did not answer in time. It is no error of a context, which
// would look as if the caller had left.
var errSilent = errors.New("no answer in time")

// remedies says what to do about what a server says, by the word that it begins with.
func remedies(word string) string {
	switch word {
	case "NOAUTH", "WRONGPASS":
		return "check user and password of the store's URL"
	case "NOPERM":
		return "give the user the commands and keys that the store needs"
	case "READONLY":
		return "the server is a replica: name the master, or use redis-sentinel:// or redis-cluster://"
	case "NOREPLICAS":
		return "the master has too few replicas to take writes"
	case "OOM":
		return "the server's memory is full: give it more (maxmemory), and keep maxmemory-policy noeviction"
	case "MISCONF":
		return "the server cannot write its snapshot and refuses writes: look at its disk"
	case "MOVED", "ASK", "CROSSSLOT":
		return "the server belongs to a Cluster: use redis-cluster://"
	case "WRONGTYPE":
		return "another program uses our keys: set another prefix"
	}
	return ""
}

// fail makes the error of a call that could not tell. ctx is the caller's.
func (s *Store) fail(ctx context.Context, what string, err error) error {
	switch {
	case s.isClosed():
		return errClosed
	case ctx.Err() != nil:
		return fmt.Errorf("redisstore: %s: %w", what, ctx.Err())
	case timedOut(err):
		err = errSilent
	case errors.Is(err, rueidis.ErrNoCache):
		err = errors.New("the server has no client-side caching: use Redis 6.2 or later, or Valkey, and no proxy that hides it")
	}
	err = s.unspoken(err)
	if e := new(rueidis.RedisError); errors.As(err, &e) {
		word, _, _ := strings.Cut(e.Error(), " ")
		if remedy := remedies(word); remedy != "" {
			return fmt.Errorf("redisstore: %s at %s: %w: %s", what, s.addr, err, remedy)
		}
	}
	return fmt.Errorf("redisstore: %s at %s: %w", what, s.addr, err)
}

func timedOut(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded)
}

// unspoken takes the passwords out of an error: a server or proxy that does not know a
// command may answer with its arguments, and those of HELLO are user and password.
func (s *Store) unspoken(err error) error {
	text := err.Error()
	for _, secret := range []string{s.addr.pass, s.addr.sentinelPass} {
		if secret != "" && strings.Contains(text, secret) {
			text = strings.ReplaceAll(text, secret, "…")
		}
	}
	if text == err.Error() {
		return err
	}
	return errors.New(text)
}
