package session

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"
)

// fromLater is a record as a later release might write it within this version.
func fromLater(t *testing.T, ring *Keyring, more, moreOfGrant map[string]any) Record {
	t.Helper()
	grant := map[string]any{"iss": "https://idp.example", "client": "bff", "sub": "alice", "rt": "refresh-token", "claims": map[string]any{"n": json.Number("12345678901234567890")}}
	all := map[string]any{"v": wireFormat, "grant": grant, "created": time.Unix(1, 0), "seen": time.Unix(2, 0), "deadline": time.Unix(3, 0), "device": map[string]any{"browser": "Firefox", "engine": "Gecko"}}
	maps.Copy(all, more)
	maps.Copy(grant, moreOfGrant)
	plain, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := ring.seal(ID{1}, plain)
	if err != nil {
		t.Fatal(err)
	}
	return Record{ID: ID{1}, Version: 7, Data: sealed, Expires: time.Unix(4, 0)}
}

// plainOf opens a record and takes it apart.
func plainOf(t *testing.T, ring *Keyring, r Record) (all, grant map[string]json.RawMessage) {
	t.Helper()
	plain, err := ring.open(r.ID, r.Data)
	if err != nil {
		t.Fatal(err)
	}
	if all, grant, err = members(plain); err != nil {
		t.Fatal(err)
	}
	return all, grant
}

func TestWhatALaterReleaseAddedOutlivesAWrite(t *testing.T) {
	ring := newRing(t, 1)
	r := fromLater(t, ring, map[string]any{"bound_to": map[string]any{"jkt": "thumb"}}, map[string]any{"later_key": "later-secret", "n": 12345678901234567})
	st, err := readState(ring, r)
	if err != nil {
		t.Fatal(err)
	}
	next := *st
	next.Seen = time.Unix(5, 0)
	if r, err = next.record(ring, r.ID, time.Hour); err != nil {
		t.Fatal(err)
	}
	all, grant := plainOf(t, ring, r)
	if string(all["bound_to"]) != `{"jkt":"thumb"}` || string(grant["later_key"]) != `"later-secret"` || string(grant["n"]) != "12345678901234567" {
		t.Errorf("what was added is lost: %s, %s, %s", all["bound_to"], grant["later_key"], grant["n"])
	}
	again, err := readState(ring, r)
	if err != nil {
		t.Fatal(err)
	}
	if !again.Seen.Equal(next.Seen) || again.Grant.RefreshToken.Reveal() != "refresh-token" || again.Device.Browser != "Firefox" || again.Grant.Claims["n"] != json.Number("12345678901234567890") {
		t.Errorf("what this release writes is lost: %+v", again)
	}
}

func TestAnEndForgetsWhatItCannotRead(t *testing.T) {
	ring := newRing(t, 1)
	st, err := readState(ring, fromLater(t, ring, map[string]any{"more": "later-secret"}, map[string]any{"later_key": "later-secret"}))
	if err != nil {
		t.Fatal(err)
	}
	next := *st
	next.end(time.Unix(5, 0), LoggedOut, false)
	r, err := next.record(ring, ID{1}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := ring.open(r.ID, r.Data)
	if err != nil || strings.Contains(string(plain), "later-secret") {
		t.Errorf("the tombstone keeps it (%v)", err)
	}
}

func TestAPrintFollowsNothingUnread(t *testing.T) {
	ring := newRing(t, 1)
	st, err := readState(ring, fromLater(t, ring, nil, map[string]any{"later_key": "later-secret"}))
	if err != nil {
		t.Fatal(err)
	}
	if text := fmt.Sprintf("%v %+v %#v", st, *st, *st); strings.Contains(text, "later-secret") {
		t.Error("a print shows what another release keeps")
	}
}

func TestARecordOfANewerVersionSaysWhichReleaseToRun(t *testing.T) {
	ring := newRing(t, 1)
	for name, more := range map[string]map[string]any{
		"with other fields": {"v": wireFormat + 1, "more": true},
		"with other types":  {"v": wireFormat + 1, "created": 17},
		"with none":         {"v": wireFormat + 1},
	} {
		_, err := readState(ring, fromLater(t, ring, more, nil))
		if err == nil || !strings.Contains(err.Error(), "version 2") || !strings.Contains(err.Error(), "newer") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
