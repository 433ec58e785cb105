package redisstore

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"

	"github.com/cloakroom-bff/cloakroom/session"
)

var _ session.Store = (*Store)(nil)

// writeWithin is how long after its hints a record may be written, by the server's clock.
// Readers leave a hint alone for six times that.
const writeWithin = 10 * time.Second

// Store is a [session.Store] in Redis or Valkey. It is safe for concurrent use, also by
// many processes. A write that fails with none of the store's decisions may have happened
// or may still happen: the caller reads again.
type Store struct {
	addr        address
	replicas    int
	unconfirmed func(replicas int)
	patience    time.Duration
	log         *slog.Logger
	conn        *connector
	epoch       time.Time // what linked counts from

	stale  atomic.Pointer[func(session.ID)] // set by Notify
	linked atomic.Int64                     // nanoseconds from epoch to the last good heartbeat's start; 0: none
	warned atomic.Int64                     // nanoseconds from epoch to the last warning about replicas
}

// String names the servers, without a password.
func (s *Store) String() string { return s.addr.String() }

// Close ends the connections, after the calls that are under way. All methods then fail
// with an error that wraps [os.ErrClosed]; a second Close does nothing.
func (s *Store) Close() error {
	s.conn.close()
	return nil
}

func (s *Store) isClosed() bool { return s.conn.isClosed() }

// Load implements [session.Store].
func (s *Store) Load(ctx context.Context, id session.ID) (session.Record, error) {
	var value string
	err := s.read(ctx, "load", func(ctx context.Context, c rueidis.Client) (err error) {
		value, err = c.Do(ctx, c.B().Get().Key(s.recordKey(id)).Build()).ToString()
		return err
	})
	if rueidis.IsRedisNil(err) {
		return session.Record{}, session.ErrNotFound
	}
	if err != nil {
		return session.Record{}, err
	}
	return decode(id, value)
}

// Create implements [session.Store].
func (s *Store) Create(ctx context.Context, r session.Record) error {
	return s.put(ctx, "create", r, false, func(value, expires, deadline string) call {
		return call{createScript, s.recordKey(r.ID), []string{value, expires, deadline}}
	})
}

// Replace implements [session.Store].
func (s *Store) Replace(ctx context.Context, r session.Record) error {
	return s.put(ctx, "replace", r, true, func(value, expires, deadline string) call {
		return call{replaceScript, s.recordKey(r.ID), []string{value, expires, deadline, head(r.Version)}}
	})
}

// Delete implements [session.Store].
func (s *Store) Delete(ctx context.Context, id session.ID, version uint64) error {
	return s.write(ctx, "delete", id, call{deleteScript, s.recordKey(id), []string{head(version)}})
}

// put writes a record's hints, then the record.
func (s *Store) put(ctx context.Context, what string, r session.Record, replaces bool, c func(value, expires, deadline string) call) error {
	version := uint64(1)
	if replaces {
		version = r.Version + 1
	}
	value, err := encode(r, version)
	if err != nil {
		return err
	}
	h, err := s.hint(ctx, what, r, replaces)
	if err != nil {
		return err
	}
	deadline := "0" // Without hints there is nothing to be late for.
	if h.first > 0 {
		deadline = strconv.FormatInt(h.first+writeWithin.Milliseconds(), 10)
	}
	expires := strconv.FormatInt(milli(r.Expires), 10)
	if err := s.write(ctx, what, r.ID, c(rueidis.BinaryString(value), expires, deadline)); err != nil {
		return err
	}
	if replaces {
		s.settle(ctx, h, r)
	}
	return nil
}

// head is how the value of a record in this version begins.
func head(version uint64) string {
	value, _ := encode(session.Record{ID: session.ID{1}, Expires: time.Unix(1, 0)}, version) // A record like this is sound.
	return string(value[:1+8])
}

// write runs a script that changes a record, and turns its answer into a decision.
func (s *Store) write(ctx context.Context, what string, id session.ID, x call) error {
	var answer string
	err := s.with(ctx, what, func(ctx context.Context, c rueidis.Client) (err error) {
		answer, err = run(ctx, c, x)[0].ToString()
		return err
	})
	if err != nil {
		// Its outcome is unknown, and the server tells us nothing of our own writes.
		s.tell(id)
		return err
	}
	switch answer {
	case wrote:
		s.confirm(ctx, id)
		return nil
	case absent:
		return session.ErrNotFound
	case exists:
		return session.ErrExists
	case conflict:
		return session.ErrConflict
	case strange:
		_, err := decode(id, "\x00")
		return err
	case late:
		return fmt.Errorf("redisstore: %s at %s: it took more than %v to get from the indexes to the record, which is unchanged: try again", what, s.addr, writeWithin)
	default:
		return fmt.Errorf("redisstore: %s at %s: a script answered %q", what, s.addr, answer)
	}
}

// with lets f talk to the servers, within bounds, and makes the error of a call of it. The
// answer that there is nothing is passed as it is.
func (s *Store) with(ctx context.Context, what string, f func(context.Context, rueidis.Client) error) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("redisstore: %s: %w", what, err)
	}
	inner, cancel := context.WithTimeout(ctx, 2*s.patience)
	defer cancel()
	c, err := s.conn.client(inner)
	if err == nil {
		err = f(inner, c)
	}
	if err == nil || rueidis.IsRedisNil(err) {
		return err
	}
	return s.fail(ctx, what, err)
}

// read is with for what changes nothing: it tries once more on a new connection if the old
// one broke, so that a server's restart costs no error once it is back.
func (s *Store) read(ctx context.Context, what string, f func(context.Context, rueidis.Client) error) error {
	return s.with(ctx, what, func(ctx context.Context, c rueidis.Client) error {
		err := f(ctx, c)
		if _, answered := rueidis.IsRedisErr(err); err == nil || answered || rueidis.IsRedisNil(err) {
			return err
		}
		if ctx.Err() != nil || timedOut(err) {
			return err // A server that hangs will do so again.
		}
		c, again := s.conn.client(ctx)
		if again != nil {
			return err
		}
		return f(ctx, c)
	})
}
