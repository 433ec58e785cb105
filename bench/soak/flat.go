package soak

import (
	"errors"
	"fmt"
	"slices"
)

// What may grow from the second quarter to the last: chance, and what is kept on purpose.
const (
	slackShare  = 1.2
	slackBytes  = 24 << 20
	slackThings = 40      // goroutines, files
	keptOfLogin = 3 << 10 // bytes in the file: a tombstone, for a day, and that a login's state was used
)

// flat is nil if nothing grows.
func (h *Hour) flat() error {
	n := len(h.Samples)
	if n < 8 {
		return errors.New("soak: too short to tell")
	}
	early, late := h.Samples[n/4:n/2], h.Samples[n*3/4:]
	logins := late[len(late)-1].Logins - early[0].Logins
	var failures []error
	for _, row := range []struct {
		name        string
		of          func(Sample) int64
		share       float64
		slack, kept int64
	}{
		{"resident memory", func(s Sample) int64 { return s.RSS }, slackShare, slackBytes, 0},
		{"the heap", func(s Sample) int64 { return s.Heap }, slackShare, slackBytes, 0},
		{"goroutines", func(s Sample) int64 { return s.Goroutines }, slackShare, slackThings, 0},
		{"open files", func(s Sample) int64 { return s.Files }, slackShare, slackThings, 0},
		{"the store's file", func(s Sample) int64 { return s.File }, slackShare, slackBytes, logins * keptOfLogin},
	} {
		was, is := middle(early, row.of), middle(late, row.of)
		if most := int64(float64(was)*row.share) + row.slack + row.kept; is > most {
			failures = append(failures, fmt.Errorf("soak: %s grows: %d in the second quarter, %d in the last, more than %d", row.name, was, is, most))
		}
	}
	return errors.Join(failures...)
}

// middle is the median over samples.
func middle(samples []Sample, of func(Sample) int64) int64 {
	v := make([]int64, len(samples))
	for i, s := range samples {
		v[i] = of(s)
	}
	slices.Sort(v)
	return v[len(v)/2]
}
