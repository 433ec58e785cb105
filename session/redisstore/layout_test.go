package redisstore

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

func newStore(tb testing.TB, url string) *Store {
	tb.Helper()
	s, err := Open(url, Options{Timeout: 200 * time.Millisecond})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { must(tb, s.Close()) })
	return s
}

func TestARecordComesBackAsItWasEncoded(t *testing.T) {
	t.Parallel()
	at := time.UnixMilli(1_800_000_000_123).UTC()
	for _, r := range []session.Record{
		{ID: session.ID{1}, Version: 1, Expires: at},
		{ID: session.ID{1}, Version: 1 << 63, Expires: at, Due: at.Add(-time.Hour), Data: []byte("\x00\xff}")},
		{ID: session.ID{1}, Version: 7, Expires: at, Due: at, Index: []session.Key{{1}, {}, {255}}, Data: []byte("sealed")},
	} {
		value, err := encode(r, r.Version)
		must(t, err)
		got, err := decode(r.ID, string(value))
		if err != nil || !reflect.DeepEqual(got, r) {
			t.Errorf("%+v came back as %+v, %v", r, got, err)
		}
		if head(r.Version) != string(value[:9]) {
			t.Errorf("the value of version %d begins with %x, and not with %x", r.Version, value[:9], head(r.Version))
		}
	}
}

func TestTimesThatNoServerTakesBecomeTheNearest(t *testing.T) {
	t.Parallel()
	for in, want := range map[time.Time]int64{
		{}:                              1,
		time.Unix(-1, 0):                1,
		time.UnixMilli(5000):            5000,
		time.UnixMilli(lastMilli + 1e6): lastMilli,
		time.Unix(1<<60, 0):             lastMilli,
	} {
		if got := milli(in); got != want {
			t.Errorf("%v becomes %d, want %d", in, got, want)
		}
	}
}

func TestDamageIsAnErrorAndNoDecision(t *testing.T) {
	t.Parallel()
	value, err := encode(session.Record{ID: session.ID{1}, Expires: time.Unix(9, 0), Index: []session.Key{{1}, {2}}}, 1)
	must(t, err)
	for _, damaged := range []string{"", "\x02", "\x01", string(value[:headSize-1]), string(value[:headSize]), string(value[:len(value)-1])} {
		if _, err := decode(session.ID{1}, damaged); err == nil || errors.Is(err, session.ErrNotFound) {
			t.Errorf("%x: the error is %v", damaged, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	value, err := encode(session.Record{ID: session.ID{1}, Expires: time.Unix(9, 0), Index: []session.Key{{1}}, Data: []byte("x")}, 1)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(value))
	f.Add("")
	f.Fuzz(func(t *testing.T, value string) {
		r, err := decode(session.ID{1}, value)
		if err != nil {
			return
		}
		if len(value) != headSize+len(r.Index)*keySize+len(r.Data) {
			t.Errorf("%d bytes became %d keys and %d bytes of data", len(value), len(r.Index), len(r.Data))
		}
	})
}

func TestOnlyOurRecordsKeysNameAnID(t *testing.T) {
	t.Parallel()
	s := newStore(t, "redis://127.0.0.1:1?prefix=a:")
	id := session.ID{1, 2, 3}
	if got, ok := s.recordID(s.recordKey(id)); !ok || got != id {
		t.Errorf("%s names %s, %v", s.recordKey(id), got, ok)
	}
	for _, key := range []string{
		"", "a:", "a:{}", s.indexKey(session.Key{1}), s.dueKey(0), "b:{" + id.String() + "}", s.recordKey(id) + "x",
		"a:{" + strings.Repeat("z", 64) + "}",
	} {
		if got, ok := s.recordID(key); ok {
			t.Errorf("%s names %s", key, got)
		}
	}
}
