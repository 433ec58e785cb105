package boltstore

import (
	"encoding/binary"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

// benchData is as long as a sealed session with its tokens.
var benchData = []byte(strings.Repeat("x", 4096))

func benchRecord(n uint64) session.Record {
	r := session.Record{Data: benchData, Index: []session.Key{{1}, {2}}, Expires: time.Now().Add(time.Hour)}
	binary.BigEndian.PutUint64(r.ID[:], n*0x9e3779b97f4a7c15) // Spread like hashes.
	r.ID[31] = 1
	return r
}

func fill(b *testing.B, s *Store, n uint64) {
	b.Helper()
	var next atomic.Uint64
	done := make(chan error, 64)
	for range cap(done) {
		go func() {
			for i := next.Add(1); i <= n; i = next.Add(1) {
				if err := s.Create(b.Context(), benchRecord(i)); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range cap(done) {
		if err := <-done; err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkLoad(b *testing.B) {
	s := open(b, Options{})
	fill(b, s, 1000)
	b.ReportAllocs()
	b.ResetTimer()
	var next atomic.Uint64
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := s.Load(b.Context(), benchRecord(next.Add(1)%1000+1).ID); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

func BenchmarkReplaceAlone(b *testing.B) {
	s := open(b, Options{})
	r := benchRecord(1)
	if err := s.Create(b.Context(), r); err != nil {
		b.Fatal(err)
	}
	r.Version = 1
	for b.Loop() {
		if err := s.Replace(b.Context(), r); err != nil {
			b.Fatal(err)
		}
		r.Version++
	}
}

// BenchmarkReplaceParallel has 128 callers, each with a record of its own; commits/op
// says how few syncs they share.
func BenchmarkReplaceParallel(b *testing.B) {
	s := open(b, Options{})
	before := commits(b, s)
	var next atomic.Uint64
	b.SetParallelism(64)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		r := benchRecord(next.Add(1))
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
	b.ReportMetric(float64(commits(b, s)-before)/float64(b.N), "commits/op")
}
