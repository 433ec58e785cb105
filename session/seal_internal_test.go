package session

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"testing"
	"time"
)

func newRing(t testing.TB, b ...byte) *Keyring {
	t.Helper()
	var secrets [][]byte
	for _, b := range b {
		secrets = append(secrets, bytes.Repeat([]byte{b}, KeySize))
	}
	ring, err := NewKeyring(secrets...)
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

func TestARecordIsBoundToItsIDTwice(t *testing.T) {
	k := &newRing(t, 1).keys[0]
	one, err := k.aead(ID{1})
	if err != nil {
		t.Fatal(err)
	}
	two, err := k.aead(ID{2})
	if err != nil {
		t.Fatal(err)
	}
	nonce := make([]byte, one.NonceSize())
	if bytes.Equal(one.Seal(nil, nonce, []byte("plain"), nil), two.Seal(nil, nonce, []byte("plain"), nil)) {
		t.Error("two records share a key: writes to many would wear out its nonces")
	}
	id := ID{1}
	sealed, err := newRing(t, 1).seal(id, []byte("plain"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := one.Open(nil, sealed[5:17], sealed[17:], nil); err == nil {
		t.Error("the id is no additional data")
	}
	again, err := newRing(t, 1).seal(id, []byte("plain"))
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(sealed[5:17], again[5:17]) {
		t.Error("a nonce was used twice")
	}
}

func TestAnyChangeOfASealedRecordIsSeen(t *testing.T) {
	ring := newRing(t, 2, 1)
	sealed, err := ring.seal(ID{1}, []byte("plain"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range sealed {
		changed := slices.Clone(sealed)
		changed[i] ^= 1
		if _, err := ring.open(ID{1}, changed); err == nil {
			t.Errorf("byte %d was changed", i)
		}
		if _, err := ring.open(ID{1}, sealed[:i]); err == nil {
			t.Errorf("cut off at %d", i)
		}
	}
}

func TestKeysThatShareAMarkAreBothTried(t *testing.T) {
	sealed, err := newRing(t, 1).seal(ID{1}, []byte("plain"))
	if err != nil {
		t.Fatal(err)
	}
	ring := newRing(t, 3, 2, 1)
	ring.keys[0].mark = ring.keys[2].mark
	plain, err := ring.open(ID{1}, sealed)
	if err != nil || string(plain) != "plain" {
		t.Errorf("%q, %v", plain, err)
	}
}

func TestPartsOfAHashAreKeptApart(t *testing.T) {
	if hash([]byte("k"), "ab", "c") == hash([]byte("k"), "a", "bc") {
		t.Error("two subjects of two issuers share an index entry")
	}
}

func TestARecordOfANewerVersionIsNotMisread(t *testing.T) {
	ring := newRing(t, 1)
	for format, good := range map[int]bool{wireFormat: true, wireFormat + 1: false} {
		plain, err := json.Marshal(map[string]any{"v": format, "unknown": true})
		if err != nil {
			t.Fatal(err)
		}
		sealed, err := ring.seal(ID{1}, plain)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := readState(ring, Record{ID: ID{1}, Data: sealed}); (err == nil) != good {
			t.Errorf("format %d: %v", format, err)
		}
	}
}

func TestAStateReadsAsItWasWritten(t *testing.T) {
	ring, now := newRing(t, 1), time.Date(2026, 8, 1, 12, 0, 0, 123456789, time.UTC)
	st := &State{
		Grant: Grant{
			Issuer: "https://idp.example", ClientID: "bff", Subject: "alice", ProviderSession: "sid", SessionState: "state", Nonce: "nonce",
			RefreshToken: "rt", IDToken: "idt", ProofKey: "key", Claims: map[string]any{"sub": "alice", "n": json.Number("12345678901234567890")},
			IssuedAt: now.Add(7), AuthTime: now, ACR: "mfa", Ceiling: now.Add(8), Generation: 7,
			Access: map[Target]AccessToken{
				{}:                   {"at", "dPoP", "openid", now, now.Add(time.Hour), "key"},
				{Audience: "bearer"}: {Token: "third", Type: "Bearer", Issued: now},
				{Audience: "a", Resource: "r", Scope: "s"}:                                     {Token: "other", Issued: now},
				{Audience: "a", Resource: "r", Scope: "s", Details: `[{"type":"a","b":"\n"}]`}: {Token: "rich", Issued: now},
				{Details: `[{"type":"a"}]`}:                                                    {Token: "bare", Issued: now},
			},
		},
		Device: Device{"Firefox", "Linux", "192.0.2.0/24"}, Proof: "proof",
		Created: now, Seen: now.Add(1), Deadline: now.Add(2),
		Attempt: &Attempt{"holder", now, now.Add(3)},
		Trouble: &Trouble{Operator, "invalid_client", map[string]string{"acr_values": "mfa"}, 3, now.Add(4), true},
		Ended:   LoggedOut, EndedAt: now.Add(5), Successor: ID{9},
		Outbox: &Outbox{[]Revocation{{"https://idp.example", "bff", "old"}}, 2, now.Add(6)},
	}
	for field, value := range reflect.ValueOf(st.Grant).Fields() {
		if value.IsZero() {
			t.Errorf("Grant.%s is not in this test", field.Name)
		}
	}
	r, err := st.record(ring, ID{1}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	got, err := readState(ring, r)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, st) { // tokens mask themselves in prints, so this says little
		t.Errorf("got %+v, want %+v", got, st)
	}
}

// A release that does not know of details must not find, under the target of another route,
// a token that grants more.
func TestATokenWithDetailsIsNoOtherTargetsToAnEarlierRelease(t *testing.T) {
	st := &State{Grant: Grant{Access: map[Target]AccessToken{
		{Scope: "s"}:                            {Token: "plain"},
		{Scope: "s", Details: `[{"type":"a"}]`}: {Token: "rich"},
	}}}
	data, err := json.Marshal(st.wire())
	if err != nil {
		t.Fatal(err)
	}
	var earlier struct {
		Grant struct {
			Access []struct {
				Target struct{ Audience, Resource, Scope string }
				Token  string `json:"at"`
			}
		}
	}
	if err := json.Unmarshal(data, &earlier); err != nil {
		t.Fatal(err)
	}
	for _, a := range earlier.Grant.Access {
		if (a.Target.Scope == "s") != (a.Token == "plain") {
			t.Errorf("%q is for %+v", a.Token, a.Target)
		}
	}
}
