package redisstore

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/redis/rueidis"

	"github.com/cloakroom-bff/cloakroom/session"
)

// hinting is what hint has done for a record that is about to be written.
type hinting struct {
	first int64 // the earliest of the servers' clocks, in milliseconds; 0: there was nothing to do
	due   entry // the hint for the due time, with the server's clock; no score: there is none
	clock int64
}

// hint adds what lets Find and Due come upon r once it is written. Of a record that is
// replaced, it touches the hint for its due time also if it has none any more.
func (s *Store) hint(ctx context.Context, what string, r session.Record, replaced bool) (h hinting, err error) {
	id, expires := string(r.ID[:]), strconv.FormatInt(milli(r.Expires), 10)
	var calls []call
	for _, key := range r.Index {
		calls = append(calls, call{pointScript, s.indexKey(key), []string{id, expires}})
	}
	if due := dueText(r.Due); due != "" || replaced {
		calls = append(calls, call{scheduleScript, s.dueKey(shardOf(r.ID)), []string{id, due, expires}})
	}
	if len(calls) == 0 {
		return h, nil
	}
	err = s.with(ctx, what, func(ctx context.Context, c rueidis.Client) error {
		for i, result := range run(ctx, c, calls...) {
			now := int64(0)
			var err error
			if i < len(r.Index) {
				now, err = result.AsInt64()
			} else {
				now, err = h.scheduled(r.ID, result)
			}
			if err != nil {
				return err
			}
			if i == 0 || now < h.first {
				h.first = now
			}
		}
		return nil
	})
	return h, err
}

// scheduled reads what scheduleScript answers.
func (h *hinting) scheduled(id session.ID, result rueidis.RedisResult) (now int64, err error) {
	answer, err := result.AsIntSlice()
	if err != nil || len(answer) != 2 {
		return 0, fmt.Errorf("a script answered %d numbers, want 2: %w", len(answer), err)
	}
	h.due, h.clock = entry{id, answer[1]}, answer[0]
	return h.clock, nil
}

// dueText is a due time for the scripts; nothing if there is none.
func dueText(due time.Time) string {
	if due.IsZero() {
		return ""
	}
	return strconv.FormatInt(milli(due), 10)
}

// settle moves the hint of a record that was just written up to its due time, if it would
// stand in the way of others until then: after a mass of ends, each look at what is due
// would go through all that is done already. That is safe where nobody has touched the hint
// since: who did so earlier and has not written yet will find another version.
func (s *Store) settle(ctx context.Context, h hinting, r session.Record) {
	if h.due.score == 0 || h.due.milli() > h.clock || !r.Due.IsZero() && milli(r.Due) <= h.due.milli() {
		return
	}
	settle := call{settleScript, s.dueKey(shardOf(r.ID)), []string{string(r.ID[:]), strconv.FormatInt(h.due.score, 10), dueText(r.Due)}}
	err := s.with(ctx, "tidy", func(ctx context.Context, c rueidis.Client) error {
		return run(ctx, c, settle)[0].Error()
	})
	if err != nil { // a courtesy to readers, who do it in a while
		s.log.LogAttrs(ctx, slog.LevelDebug, "a stale index entry was left", slog.Any("error", err))
	}
}

// entry is a hint as it was read: an id and its score.
type entry struct {
	id    session.ID
	score int64
}

// milli is the time that the hint has for its record.
func (e entry) milli() int64 { return e.score >> 10 }

// aged guesses whether the hint is old enough to be corrected; the script knows. It spares
// a call for those that are certainly not.
func (e entry) aged(now time.Time) bool {
	return (now.Unix()/60-e.score>>6)&15 >= 2
}

// entries reads what a command WITHSCORES answered. Members that are no id are not ours
// and are passed over.
func entries(result rueidis.RedisResult) ([]entry, error) {
	scored, err := result.AsZScores()
	if err != nil {
		return nil, err
	}
	list := make([]entry, 0, len(scored))
	for _, z := range scored {
		if len(z.Member) == len(session.ID{}) {
			list = append(list, entry{session.ID([]byte(z.Member)), int64(z.Score)})
		}
	}
	return list, nil
}

// batch is how many records are asked for at once.
const batch = 128

// records loads the records of some ids; those that are not there have no ID.
func (s *Store) records(ctx context.Context, what string, of []entry) ([]session.Record, error) {
	found := make([]session.Record, 0, len(of))
	for len(of) > 0 {
		n := min(batch, len(of))
		var values []string
		err := s.read(ctx, what, func(ctx context.Context, c rueidis.Client) error {
			values = make([]string, n)
			gets := make(rueidis.Commands, n)
			for i, e := range of[:n] {
				gets[i] = c.B().Get().Key(s.recordKey(e.id)).Build()
			}
			for i, result := range c.DoMulti(ctx, gets...) {
				var err error
				if values[i], err = result.ToString(); err != nil && !rueidis.IsRedisNil(err) {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		for i, e := range of[:n] {
			var r session.Record
			if values[i] != "" {
				if r, err = decode(e.id, values[i]); err != nil {
					return nil, err
				}
			}
			found = append(found, r)
		}
		of = of[n:]
	}
	return found, nil
}

// correction is a hint that its record does not bear out, and when the record is due;
// nothing means that the hint goes.
type correction struct {
	key  string
	seen entry
	due  string
}

// correct tidies up hints. It is a courtesy to later readers: what fails is tried again
// by them.
func (s *Store) correct(ctx context.Context, list []correction) {
	var calls []call
	for _, x := range list {
		if x.seen.aged(time.Now()) {
			calls = append(calls, call{correctScript, x.key, []string{string(x.seen.id[:]), strconv.FormatInt(x.seen.score, 10), x.due}})
		}
	}
	for len(calls) > 0 {
		n := min(batch, len(calls))
		err := s.with(ctx, "tidy", func(ctx context.Context, c rueidis.Client) error {
			for _, result := range run(ctx, c, calls[:n]...) {
				if err := result.Error(); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			s.log.LogAttrs(ctx, slog.LevelDebug, "stale index entries were left", slog.Any("error", err))
			return
		}
		calls = calls[n:]
	}
}
