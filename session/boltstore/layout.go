package boltstore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

// The buckets, and the one key of the bucket meta.
var (
	bucketMeta    = []byte("meta")
	bucketRecords = []byte("records")
	bucketIndex   = []byte("index")
	bucketDue     = []byte("due")
	bucketExpiry  = []byte("expiry")
	keyFormat     = []byte("format")
)

// fileFormat is the version of the layout as a whole, recordFormat that of one record.
const (
	fileFormat   = 1
	recordFormat = 1
)

const (
	idSize   = len(session.ID{})
	keySize  = len(session.Key{})
	timeSize = 8 + 4
	headSize = 1 + 8 + timeSize + timeSize + 2

	maxKeys = math.MaxUint16
	maxData = 1 << 30
)

// appendTime appends t so that the bytes sort as the times do, to the nanosecond, for
// every time that Go has: seconds since 1970 with the sign bit turned, then nanoseconds.
func appendTime(b []byte, t time.Time) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(t.Unix())^(1<<63))  //nolint:gosec // The sign bit is turned on purpose.
	return binary.BigEndian.AppendUint32(b, uint32(t.Nanosecond())) //nolint:gosec // A nanosecond is below 1e9.
}

// timeOf reads what appendTime wrote. The zero time comes back as the zero time.
func timeOf(b []byte) time.Time {
	seconds := int64(binary.BigEndian.Uint64(b) ^ (1 << 63)) //nolint:gosec // See appendTime.
	return time.Unix(seconds, int64(binary.BigEndian.Uint32(b[8:]))).UTC()
}

// timeKey is an entry of the buckets due and expiry.
func timeKey(t time.Time, id session.ID) []byte {
	return append(appendTime(make([]byte, 0, timeSize+idSize), t), id[:]...)
}

// indexKey is an entry of the bucket index.
func indexKey(key, id []byte) []byte {
	return append(append(make([]byte, 0, keySize+idSize), key...), id...)
}

// encode makes the value of a record, in memory that nobody else holds: bbolt keeps the
// slice until it commits, and by then the caller may have left and reused its own.
func encode(r session.Record, version uint64) ([]byte, error) {
	switch {
	case r.ID.IsZero():
		return nil, errors.New("boltstore: the record has no ID; set it")
	case r.Expires.IsZero():
		return nil, errors.New("boltstore: the record does not say when it expires; set Expires")
	case len(r.Index) > maxKeys:
		return nil, fmt.Errorf("boltstore: the record has %d index keys, more than %d", len(r.Index), maxKeys)
	case len(r.Data) > maxData:
		return nil, fmt.Errorf("boltstore: the record has %d bytes of data, more than %d", len(r.Data), maxData)
	}
	b := make([]byte, 0, headSize+len(r.Index)*keySize+len(r.Data))
	b = append(b, recordFormat)
	b = binary.BigEndian.AppendUint64(b, version)
	b = appendTime(b, r.Due)
	b = appendTime(b, r.Expires)
	b = binary.BigEndian.AppendUint16(b, uint16(len(r.Index))) //nolint:gosec // At most maxKeys.
	for i := range r.Index {
		b = append(b, r.Index[i][:]...)
	}
	return append(b, r.Data...), nil
}

// entry is a record's value taken apart. Its slices lie in the file's memory map and are
// good only within the transaction that read them.
type entry struct {
	version      uint64
	due, expires time.Time
	index        []byte // keys, one after the other
	data         []byte
}

// parse takes a value apart without copying.
func parse(b []byte) (entry, error) {
	if len(b) < headSize {
		return entry{}, errors.New("boltstore: a record is shorter than its head: the file is damaged")
	}
	if b[0] != recordFormat {
		return entry{}, fmt.Errorf("boltstore: a record has format %d, and this version knows format %d: use the version that wrote it", b[0], recordFormat)
	}
	e := entry{
		version: binary.BigEndian.Uint64(b[1:]),
		due:     timeOf(b[9:]),
		expires: timeOf(b[9+timeSize:]),
	}
	keys := int(binary.BigEndian.Uint16(b[headSize-2:])) * keySize
	if len(b) < headSize+keys {
		return entry{}, errors.New("boltstore: a record is shorter than its index: the file is damaged")
	}
	e.index, e.data = b[headSize:headSize+keys], b[headSize+keys:]
	return e, nil
}

// expired reports whether the store must treat the record as absent.
func (e entry) expired(now time.Time) bool { return !now.Before(e.expires) }

// record copies the entry out of the memory map.
func (e entry) record(id session.ID) session.Record {
	r := session.Record{ID: id, Version: e.version, Due: e.due, Expires: e.expires}
	if len(e.index) > 0 {
		r.Index = make([]session.Key, len(e.index)/keySize)
		for i := range r.Index {
			r.Index[i] = session.Key(e.index[i*keySize:])
		}
	}
	if len(e.data) > 0 {
		r.Data = append(make([]byte, 0, len(e.data)), e.data...)
	}
	return r
}
