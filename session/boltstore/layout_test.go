package boltstore

import (
	"bytes"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

func TestTimesSortAsTheirBytesDo(t *testing.T) {
	times := []time.Time{
		{},
		time.Date(1678, 1, 1, 0, 0, 0, 0, time.UTC),
		time.Unix(-1, 999999999),
		time.Unix(0, 0),
		time.Unix(0, 1),
		time.Date(2026, 3, 1, 12, 0, 0, 0, time.FixedZone("east", 3600)),
		time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC),
		time.Date(9999, 12, 31, 23, 59, 59, 999999999, time.UTC),
		time.Unix(math.MaxInt64>>2, 0),
	}
	for i, at := range times {
		b := appendTime(nil, at)
		if got := timeOf(b); !got.Equal(at) || got.IsZero() != at.IsZero() {
			t.Errorf("%v comes back as %v", at, got)
		}
		if i > 0 && bytes.Compare(appendTime(nil, times[i-1]), b) >= 0 {
			t.Errorf("the bytes of %v do not sort before those of %v", times[i-1], at)
		}
	}
}

// sample is a record that uses every field.
func sample() session.Record {
	r := record(1, "sealed")
	r.Index, r.Due = []session.Key{{2}, {3}}, time.Unix(1, 2)
	return r
}

func TestARecordCutShortIsAnErrorAndNotAPanic(t *testing.T) {
	value, err := encode(sample(), 7)
	if err != nil {
		t.Fatal(err)
	}
	for n := range headSize + 2*keySize {
		if _, err := parse(value[:n]); err == nil || !strings.Contains(err.Error(), "damaged") {
			t.Errorf("%d bytes: the error is %v, want one that says damaged", n, err)
		}
	}
}

func TestARecordOfANewerFormatIsRefused(t *testing.T) {
	value, err := encode(sample(), 7)
	if err != nil {
		t.Fatal(err)
	}
	value[0]++
	if _, err := parse(value); err == nil || !strings.Contains(err.Error(), "has format 2") {
		t.Errorf("the error is %v, want one that names the format", err)
	}
}

func TestARecordThatIsTooLargeIsRefused(t *testing.T) {
	s := open(t, Options{})
	r := sample()
	r.Index = make([]session.Key, maxKeys+1)
	if err := s.Create(t.Context(), r); err == nil || !strings.Contains(err.Error(), "65536 index keys") {
		t.Errorf("the error is %v, want one that counts the keys", err)
	}
}

// The bytes of a record are kept over upgrades: if this test fails, the format has changed
// and needs a new number.
func TestTheFormatIsTheOneOfTheFirstVersion(t *testing.T) {
	r := sample()
	r.Expires = time.Unix(3, 4)
	value, err := encode(r, 7)
	if err != nil {
		t.Fatal(err)
	}
	want := slices.Concat(
		[]byte{1, 0, 0, 0, 0, 0, 0, 0, 7},
		[]byte{0x80, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2},
		[]byte{0x80, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 4},
		[]byte{0, 2, 2}, make([]byte, 31), []byte{3}, make([]byte, 31),
		[]byte("sealed"),
	)
	if !bytes.Equal(value, want) {
		t.Errorf("the bytes are\n%x, want\n%x", value, want)
	}
}
