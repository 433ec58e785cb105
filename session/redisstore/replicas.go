package redisstore

import (
	"context"
	"log/slog"
	"time"

	"github.com/redis/rueidis"

	"github.com/cloakroom-bff/cloakroom/session"
)

// waitFor is how long a write waits for replicas.
const waitFor = 300 * time.Millisecond

// confirm waits until enough replicas have a write that has happened. On the connection of
// the write itself, WAIT would hold up everybody; so it runs on another one, behind a write
// of its own, which the replicas get after the first.
func (s *Store) confirm(ctx context.Context, id session.ID) {
	if s.replicas == 0 {
		return
	}
	acks, err := s.acks(ctx, id)
	if err == nil && acks >= s.replicas || ctx.Err() != nil {
		return
	}
	s.unconfirmed(acks)
	now, last := int64(time.Since(s.epoch)), s.warned.Load()
	if now-last < int64(time.Second) && last != 0 || !s.warned.CompareAndSwap(last, now) {
		return // Once a second says it, too.
	}
	attrs := []slog.Attr{slog.Int("replicas", acks), slog.Int("wanted", s.replicas)}
	if err != nil {
		attrs = append(attrs, slog.Any("error", err))
	}
	s.log.LogAttrs(ctx, slog.LevelWarn, "too few replicas of the store have a write: a failover now would lose it", attrs...)
}

// acks returns how many replicas have what was written up to now on id's node.
func (s *Store) acks(ctx context.Context, id session.ID) (int, error) {
	var acks int64
	err := s.with(ctx, "wait for replicas", func(ctx context.Context, c rueidis.Client) error {
		return c.Dedicated(func(d rueidis.DedicatedClient) (err error) {
			mark := d.B().Set().Key(s.addr.prefix + "ack:{" + id.String() + "}").Value("").Px(time.Second).Build()
			if err := d.Do(ctx, mark).Error(); err != nil {
				return err
			}
			acks, err = d.Do(ctx, d.B().Wait().Numreplicas(int64(s.replicas)).Timeout(waitFor.Milliseconds()).Build()).AsInt64()
			return err
		})
	})
	return int(acks), err
}
