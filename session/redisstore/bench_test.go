//go:build e2e

package redisstore

import (
	"encoding/binary"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

func benchRecord(n uint64) session.Record {
	r := session.Record{
		Data:  []byte(strings.Repeat("x", 4096)), // As long as a sealed session with its tokens.
		Index: []session.Key{{1, byte(n), byte(n >> 8)}, {2, byte(n), byte(n >> 8)}},
		Due:   time.Now().Add(time.Minute), Expires: time.Now().Add(time.Hour),
	}
	binary.BigEndian.PutUint64(r.ID[:], n*0x9e3779b97f4a7c15) // Spread like hashes.
	r.ID[30], r.ID[31] = 1, byte(n)
	return r
}

func benchStore(b *testing.B) *Store {
	b.Helper()
	s := connect(b, "redis://"+redis(b).addr(), Options{})
	for n := range uint64(1000) {
		if err := s.Create(b.Context(), benchRecord(n)); err != nil {
			b.Fatal(err)
		}
	}
	return s
}

func BenchmarkLoad(b *testing.B) {
	s := benchStore(b)
	for name, want := range map[string]error{"hit": nil, "miss": session.ErrNotFound} {
		offset := uint64(0)
		if want != nil {
			offset = 1 << 32
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			id := benchRecord(7 + offset).ID
			for b.Loop() {
				if _, err := s.Load(b.Context(), id); !errors.Is(err, want) {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkLoadParallel(b *testing.B) {
	s := benchStore(b)
	var next atomic.Uint64
	b.SetParallelism(32)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		id := benchRecord(next.Add(1) % 1000).ID
		for pb.Next() {
			if _, err := s.Load(b.Context(), id); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

func BenchmarkReplace(b *testing.B) {
	s := benchStore(b)
	r := benchRecord(1)
	b.ReportAllocs()
	for r.Version = 1; b.Loop(); r.Version++ {
		if err := s.Replace(b.Context(), r); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReplaceParallel(b *testing.B) {
	s := benchStore(b)
	var next atomic.Uint64
	b.SetParallelism(32)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		r := benchRecord(1<<33 + next.Add(1))
		if err := s.Create(b.Context(), r); err != nil {
			b.Error(err)
			return
		}
		for r.Version = 1; pb.Next(); r.Version++ {
			if err := s.Replace(b.Context(), r); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// BenchmarkNotice is the way of a change from one process to another's memory.
func BenchmarkNotice(b *testing.B) {
	url := "redis://" + redis(b).addr()
	writer, reader := connect(b, url, Options{}), connect(b, url, Options{})
	told := make(chan session.ID, 16)
	reader.Notify(func(id session.ID) {
		if !id.IsZero() {
			told <- id
		}
	})
	linked(b, reader)
	r := benchRecord(1)
	if err := writer.Create(b.Context(), r); err != nil {
		b.Fatal(err)
	}
	for r.Version = 1; b.Loop(); r.Version++ {
		if _, err := reader.Load(b.Context(), r.ID); err != nil {
			b.Fatal(err)
		}
		if err := writer.Replace(b.Context(), r); err != nil {
			b.Fatal(err)
		}
		<-told
	}
}
