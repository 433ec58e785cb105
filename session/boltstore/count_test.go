package boltstore

import (
	"testing"
	"time"
)

// due returns how many records have a due time, counted one by one.
func due(t *testing.T, s *Store) int {
	t.Helper()
	all, err := s.Due(t.Context(), time.Now().Add(1000*time.Hour), 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

func TestTheCountFollowsEveryWrite(t *testing.T) {
	s := open(t, Options{})
	count := func(want int) {
		t.Helper()
		n, err := s.Count(t.Context())
		if err != nil || n != want || n != due(t, s) {
			t.Fatalf("counted %d, %v; there are %d, want %d", n, err, due(t, s), want)
		}
	}
	r := record(1, "x")
	r.Due, r.Version = time.Now(), 1
	other := record(2, "x")
	other.Due = time.Now()
	for _, made := range []error{s.Create(t.Context(), r), s.Create(t.Context(), other)} {
		if made != nil {
			t.Fatal(made)
		}
	}
	count(2)
	for _, step := range []struct {
		does string
		due  time.Time
		want int
	}{
		{"another due time", time.Now().Add(time.Hour), 2},
		{"no due time", time.Time{}, 1},
		{"none again", time.Time{}, 1},
		{"one again", time.Now(), 2},
	} {
		t.Log(step.does)
		r.Due = step.due
		if err := s.Replace(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		r.Version++
		count(step.want)
	}
	if err := s.Delete(t.Context(), r.ID, r.Version); err != nil {
		t.Fatal(err)
	}
	count(1)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openFile(t, s.path, Options{})
	count(1)
}

func TestTheFirstCountMissesNothingThatIsWrittenMeanwhile(t *testing.T) {
	s := open(t, Options{})
	done := make(chan error)
	const writers, each = 8, 50
	for w := range byte(writers) {
		go func() {
			var err error
			for n := byte(0); n < each && err == nil; n++ {
				r := record(n+1, "x")
				r.ID[1], r.Due = w, time.Now()
				err = s.Create(t.Context(), r)
			}
			done <- err
		}()
	}
	if _, err := s.Count(t.Context()); err != nil {
		t.Error(err)
	}
	for range writers {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if n, err := s.Count(t.Context()); err != nil || n != writers*each {
		t.Errorf("counted %d, %v; want %d", n, err, writers*each)
	}
}
