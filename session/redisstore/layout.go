package redisstore

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

// recordFormat is the first byte of a record. The scripts compare it, too.
const recordFormat = 1

const (
	keySize  = len(session.Key{})
	headSize = 1 + 8 + 8 + 8 + 2

	maxKeys = math.MaxUint16
	maxData = 256 << 20 // A server takes 512 MiB.
)

// never is the due time of a record that has none.
const never = math.MinInt64

// lastMilli is the last moment that a score can hold, in the year 2248.
const lastMilli = 1<<43 - 1

// shards is how many sorted sets share the due times, so that on a Cluster no node has all.
const shards = 8

// recordKey has the id as it stands in logs.
func (s *Store) recordKey(id session.ID) string { return s.addr.prefix + "{" + id.String() + "}" }

func (s *Store) indexKey(key session.Key) string {
	return s.addr.prefix + "key:{" + hex.EncodeToString(key[:]) + "}"
}

func (s *Store) dueKey(shard int) string {
	return s.addr.prefix + "due:{" + strconv.Itoa(shard) + "}"
}

func shardOf(id session.ID) int { return int(id[len(id)-1]) % shards }

// recordID reads what recordKey wrote; ok is false for all other keys.
func (s *Store) recordID(key string) (id session.ID, ok bool) {
	rest, ok := strings.CutPrefix(key, s.addr.prefix+"{")
	if !ok || len(rest) != 2*len(id)+1 {
		return id, false
	}
	_, err := hex.Decode(id[:], []byte(rest[:2*len(id)]))
	return id, err == nil
}

// milli is a time as the server keeps it; within what its commands and our scores take.
func milli(t time.Time) int64 {
	switch {
	case t.Unix() < 1:
		return 1 // Long ago; a server refuses zero and less.
	case t.Unix() > lastMilli/1000:
		return lastMilli
	}
	return t.UnixMilli()
}

// encode makes a record's value, in memory of its own.
func encode(r session.Record, version uint64) ([]byte, error) {
	switch {
	case r.ID.IsZero():
		return nil, errors.New("redisstore: the record has no ID; set it")
	case r.Expires.IsZero():
		return nil, errors.New("redisstore: the record does not say when it expires; set Expires")
	case len(r.Index) > maxKeys:
		return nil, fmt.Errorf("redisstore: the record has %d index keys, more than %d", len(r.Index), maxKeys)
	case len(r.Data) > maxData:
		return nil, fmt.Errorf("redisstore: the record has %d bytes of data, more than %d", len(r.Data), maxData)
	}
	b := make([]byte, 0, headSize+len(r.Index)*keySize+len(r.Data))
	b = append(b, recordFormat)
	b = binary.BigEndian.AppendUint64(b, version)
	due := int64(never)
	if !r.Due.IsZero() {
		due = milli(r.Due)
	}
	b = binary.BigEndian.AppendUint64(b, uint64(due))              //nolint:gosec // Read back as it was written.
	b = binary.BigEndian.AppendUint64(b, uint64(milli(r.Expires))) //nolint:gosec // Positive.
	b = binary.BigEndian.AppendUint16(b, uint16(len(r.Index)))     //nolint:gosec // At most maxKeys.
	for i := range r.Index {
		b = append(b, r.Index[i][:]...)
	}
	return append(b, r.Data...), nil
}

// decode reads what encode wrote, and keeps nothing of it.
func decode(id session.ID, b string) (session.Record, error) {
	if b == "" || b[0] != recordFormat {
		return session.Record{}, fmt.Errorf("redisstore: record %s is of a format that this version does not know: run the version that wrote it, or use another prefix", id)
	}
	if len(b) < headSize {
		return session.Record{}, fmt.Errorf("redisstore: record %s is damaged: it is shorter than its head", id)
	}
	head := []byte(b[:headSize])
	r := session.Record{
		ID:      id,
		Version: binary.BigEndian.Uint64(head[1:]),
		Expires: time.UnixMilli(int64(binary.BigEndian.Uint64(head[17:]))).UTC(), //nolint:gosec // As written.
	}
	if due := int64(binary.BigEndian.Uint64(head[9:])); due != never { //nolint:gosec // As written.
		r.Due = time.UnixMilli(due).UTC()
	}
	n := int(binary.BigEndian.Uint16(head[25:]))
	if b = b[headSize:]; len(b) < n*keySize {
		return session.Record{}, fmt.Errorf("redisstore: record %s is damaged: it is shorter than its index", id)
	}
	if n > 0 {
		r.Index = make([]session.Key, n)
		for i := range r.Index {
			copy(r.Index[i][:], b[i*keySize:])
		}
	}
	if b = b[n*keySize:]; b != "" {
		r.Data = []byte(b)
	}
	return r, nil
}
