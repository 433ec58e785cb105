package session_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

func TestAKeyHas32Bytes(t *testing.T) {
	for _, n := range []int{0, 16, 31, 33, 64} {
		if _, err := session.NewKeyring(make([]byte, n)); err == nil {
			t.Errorf("a key of %d bytes was taken", n)
		}
	}
	if _, err := session.NewKeyring(); err == nil {
		t.Error("a keyring without keys was made")
	}
}

func TestAKeyringKeepsNothingThatItIsGiven(t *testing.T) {
	secret := bytes.Repeat([]byte{1}, session.KeySize)
	r, err := session.NewKeyring(secret)
	if err != nil {
		t.Fatal(err)
	}
	clear(secret)
	box, err := r.Box("attempt", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := box.Seal("cookie", []byte("inside"))
	if err != nil {
		t.Fatal(err)
	}
	same, err := ring(t, 1).Box("attempt", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := same.Open("cookie", sealed); err != nil {
		t.Errorf("sealed under a key that was wiped by whoever gave it: %v", err)
	}
}

func TestABoxOpensOnlyWhatWasSealedForItsPurposeAndName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		box := func(purpose string, keys ...byte) *session.Box {
			b, err := ring(t, keys...).Box(purpose, time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			return b
		}
		data := []byte("what is inside")
		sealed, err := box("attempt", 1).Seal("cookie-a", data)
		if err != nil {
			t.Fatal(err)
		}
		if string(data) != "what is inside" {
			t.Error("Seal changed what it was given")
		}
		for _, row := range []struct {
			what string
			box  *session.Box
			name string
			good bool
		}{
			{"the same", box("attempt", 1), "cookie-a", true},
			{"a newer key in front", box("attempt", 2, 1), "cookie-a", true},
			{"another name", box("attempt", 1), "cookie-b", false},
			{"another purpose", box("state", 1), "cookie-a", false},
			{"another key", box("attempt", 2), "cookie-a", false},
		} {
			got, err := row.box.Open(row.name, sealed)
			if (err == nil) != row.good || row.good && !bytes.Equal(got, data) {
				t.Errorf("%s: %q, %v", row.what, got, err)
			}
		}
		time.Sleep(62 * time.Second)
		if _, err := box("attempt", 1).Open("cookie-a", sealed); err == nil {
			t.Error("opened after its time")
		}
	})
}

func TestATokenDoesNotPrint(t *testing.T) {
	const text = "very-secret"
	g := session.Grant{RefreshToken: text, IDToken: text, ProofKey: text, Access: map[session.Target]session.AccessToken{{}: {Token: text, Key: text}}}
	var out strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&out, verb+" "+verb+"\n", session.Token(text), g)
	}
	encoded, err := json.Marshal(map[string]any{"t": session.Token(text), "g": g.RefreshToken})
	if err != nil {
		t.Fatal(err)
	}
	out.Write(encoded)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "token", session.Token(text), "grant", g.RefreshToken)
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "token", session.Token(text))
	for _, form := range []string{text, fmt.Sprintf("%x", text)} {
		if strings.Contains(out.String(), form) {
			t.Errorf("a token printed itself: %s", out.String())
		}
	}
}

func FuzzTicket(f *testing.F) {
	m, err := session.New(session.Config{Store: newMemory(), Keys: ring(f, 1), Refresher: &provider{}})
	if err != nil {
		f.Fatal(err)
	}
	_, ticket, err := m.Begin(f.Context(), session.Start{Grant: session.Grant{Issuer: "i", Subject: "s"}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(ticket)
	f.Add("")
	f.Add("MTc2|AAAA|BBBB")
	f.Add(ticket[:len(ticket)/2])
	f.Fuzz(func(t *testing.T, value string) {
		s, err := m.Open(t.Context(), value)
		if err == nil && value != ticket {
			// Base64 may spell the same bytes in two ways; any other ticket is forged.
			if s.State().Grant.Subject != "s" {
				t.Errorf("a forged ticket opened: %q", value)
			}
		}
	})
}

func TestASecretIsForOnePurposeAndFollowsFromTheKey(t *testing.T) {
	one, two := bytes.Repeat([]byte{1}, session.KeySize), bytes.Repeat([]byte{2}, session.KeySize)
	secrets := func(purpose string, keys ...[]byte) [][]byte {
		t.Helper()
		ring, err := session.NewKeyring(keys...)
		if err != nil {
			t.Fatal(err)
		}
		s, err := ring.Secrets(purpose)
		if err != nil || len(s) != len(keys) {
			t.Fatalf("%d secrets of %d keys, %v", len(s), len(keys), err)
		}
		return s
	}
	both := secrets("a", one, two)
	if again := secrets("a", two, one); !bytes.Equal(both[0], again[1]) || !bytes.Equal(both[1], again[0]) {
		t.Error("a key's secret depends on the others")
	}
	if len(both[0]) != session.KeySize || bytes.Equal(both[0], both[1]) || bytes.Equal(both[0], secrets("b", one)[0]) {
		t.Error("two keys or two purposes share a secret")
	}
}
