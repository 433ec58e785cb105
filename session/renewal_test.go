package session_test

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

func TestTheNewRefreshTokenIsStoredBeforeAnybodyIsAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		s, ticket := r.signIn()
		time.Sleep(2 * time.Minute)
		if _, err := s.Token(t.Context(), session.Target{}); err != nil {
			t.Fatal(err)
		}
		// What a process that starts at this very moment reads.
		again, err := session.New(r.config)
		if err != nil {
			t.Fatal(err)
		}
		found, err := again.Open(t.Context(), ticket)
		if err != nil {
			t.Fatal(err)
		}
		if got := found.State().Grant.RefreshToken; got != "rt-1" {
			t.Errorf("the store holds %q", got.Reveal())
		}
	})
}

func TestTheNewRefreshTokenIsStoredBeforeTheIDTokenIsLookedAt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		r.provider.answer = func(n int, _ *session.Grant) (*session.Renewal, error) {
			renewal := r.provider.good(n)
			renewal.IDToken = "idt-1"
			return renewal, nil
		}
		s, _ := r.signIn()
		var stored session.Token
		r.provider.verify = func(session.Token) (*session.Identity, error) {
			stored = s.State().Grant.RefreshToken
			return nil, errors.New("the keys are not to be had")
		}
		time.Sleep(2 * time.Minute)
		if _, err := s.Token(t.Context(), session.Target{}); err != nil {
			t.Fatal(err)
		}
		if stored != "rt-1" {
			t.Errorf("at the check the record held %q", stored.Reveal())
		}
		if got := s.State().Grant; got.Claims["role"] != "reader" || got.IDToken != "idt-0" {
			t.Errorf("the old claims are gone: %v", got.Claims)
		}
	})
}

func TestNoNewRefreshTokenMeansThatTheOldOneStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		r.provider.answer = func(n int, _ *session.Grant) (*session.Renewal, error) {
			renewal := r.provider.good(n)
			renewal.RefreshToken = ""
			return renewal, nil
		}
		s, _ := r.signIn()
		for range 3 {
			time.Sleep(2 * time.Minute)
			if _, err := s.Token(t.Context(), session.Target{}); err != nil {
				t.Fatal(err)
			}
		}
		if got := r.provider.presented; !slices.Equal(got, []session.Token{"rt-0", "rt-0", "rt-0"}) {
			t.Error("another token than rt-0 was presented")
		}
	})
}

func TestARefreshTokenBesideAnErrorIsStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		r.provider.answer = func(n int, _ *session.Grant) (*session.Renewal, error) {
			if n == 1 {
				return &session.Renewal{RefreshToken: "rt-1"}, &session.RefreshError{Class: session.Transient}
			}
			return r.provider.good(n), nil
		}
		s, _ := r.signIn()
		time.Sleep(2 * time.Minute)
		if _, err := s.Token(t.Context(), session.Target{}); class(t, err) != session.Transient {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		if _, err := s.Token(t.Context(), session.Target{}); err != nil {
			t.Fatal(err)
		}
		if got := r.provider.presented; !slices.Equal(got, []session.Token{"rt-0", "rt-1"}) {
			t.Error("the refresh token that came beside the error was not presented next")
		}
	})
}

func TestAStoreThatFailsLosesNoRefreshToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		s, ticket := r.signIn()
		full := errors.New("no space left on device")
		r.provider.answer = func(n int, _ *session.Grant) (*session.Renewal, error) {
			r.store.breakWith(full)
			return r.provider.good(n), nil
		}
		time.Sleep(2 * time.Minute)
		_, err := s.Token(t.Context(), session.Target{})
		wantStoreError(t, err)
		time.Sleep(time.Minute)
		r.store.breakWith(nil)
		time.Sleep(2 * time.Second)
		again, err := session.New(r.config)
		if err != nil {
			t.Fatal(err)
		}
		found, err := again.Open(t.Context(), ticket)
		if err != nil {
			t.Fatal(err)
		}
		if got := found.State().Grant.RefreshToken; got != "rt-1" {
			t.Errorf("the store holds %q", got.Reveal())
		}
	})
}

func TestAFullStoreKeepsTheRefreshTokenUnpresented(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		s, _ := r.signIn()
		time.Sleep(2 * time.Minute)
		r.store.breakWith(errors.New("no space left on device"))
		_, err := s.Token(t.Context(), session.Target{})
		wantStoreError(t, err)
		if n, _, _ := r.provider.counts(); n != 0 {
			t.Errorf("%d presentations without a note", n)
		}
		r.store.breakWith(nil)
		if _, err := s.Token(t.Context(), session.Target{}); err != nil {
			t.Error(err)
		}
	})
}

func TestAnotherIdentityEndsTheSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		r.provider.answer = func(n int, _ *session.Grant) (*session.Renewal, error) {
			renewal := r.provider.good(n)
			renewal.IDToken = "idt-of-bob"
			return renewal, nil
		}
		r.provider.verify = func(session.Token) (*session.Identity, error) {
			return nil, errors.Join(session.ErrIdentity, errors.New("sub is bob"))
		}
		s, _ := r.signIn()
		time.Sleep(2 * time.Minute)
		_, err := s.Token(t.Context(), session.Target{})
		if reason(t, err) != session.NotSameUser {
			t.Error(err)
		}
		time.Sleep(2 * time.Second)
		if _, _, revoked := r.provider.counts(); !slices.Equal(revoked, []session.Token{"rt-1"}) {
			t.Errorf("revoked %d tokens", len(revoked))
		}
	})
}

func TestRefreshedClaimsReplaceTheOldOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		r.provider.answer = func(n int, _ *session.Grant) (*session.Renewal, error) {
			renewal := r.provider.good(n)
			renewal.IDToken = "idt-1"
			return renewal, nil
		}
		r.provider.verify = func(raw session.Token) (*session.Identity, error) {
			return &session.Identity{IDToken: raw, Claims: map[string]any{"sub": "alice"}}, nil
		}
		s, _ := r.signIn()
		if err := s.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		got := s.State().Grant
		if _, old := got.Claims["role"]; old || got.IDToken != "idt-1" {
			t.Errorf("claims %v", got.Claims)
		}
	})
}

// The user hears of the refusal when it is written: until then the next flight would
// present the refused token again.
func TestARefusalThatCannotBeWrittenIsWrittenLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		s, ticket := r.signIn()
		r.provider.answer = func(int, *session.Grant) (*session.Renewal, error) {
			r.store.breakWith(errors.New("connection refused"))
			return nil, &session.RefreshError{Class: session.Refused}
		}
		time.Sleep(2 * time.Minute)
		for range 5 {
			_, err := s.Token(t.Context(), session.Target{})
			wantStoreError(t, err)
		}
		r.store.breakWith(nil)
		time.Sleep(2 * time.Second)
		_, err := r.Open(t.Context(), ticket)
		if reason(t, err) != session.TokenRefused {
			t.Error(err)
		}
		if n, _, _ := r.provider.counts(); n != 1 {
			t.Errorf("%d presentations", n)
		}
	})
}

func TestAnotherIdentityEndsTheSessionThoughTheStoreIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, func(c *session.Config) { c.KeepTokens = true })
		r.provider.answer = func(n int, _ *session.Grant) (*session.Renewal, error) {
			renewal := r.provider.good(n)
			renewal.IDToken = "idt-of-bob"
			return renewal, nil
		}
		r.provider.verify = func(session.Token) (*session.Identity, error) {
			r.store.breakWith(errors.New("connection refused"))
			return nil, session.ErrIdentity
		}
		s, ticket := r.signIn()
		time.Sleep(2 * time.Minute)
		if _, err := s.Token(t.Context(), session.Target{}); err == nil {
			t.Error("a token of somebody else's was given out")
		}
		r.store.breakWith(nil)
		time.Sleep(3 * time.Second)
		_, err := r.Open(t.Context(), ticket)
		if reason(t, err) != session.NotSameUser {
			t.Error(err)
		}
		if _, _, revoked := r.provider.counts(); !slices.Equal(revoked, []session.Token{"rt-1"}) {
			t.Errorf("revoked %d, and the token is not ours to keep", len(revoked))
		}
	})
}

func TestClaimsThatCannotBeStoredCostNoToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		r.provider.answer = func(n int, _ *session.Grant) (*session.Renewal, error) {
			renewal := r.provider.good(n)
			renewal.IDToken = "idt-1"
			return renewal, nil
		}
		r.provider.verify = func(raw session.Token) (*session.Identity, error) {
			r.store.breakWith(errors.New("connection refused"))
			return &session.Identity{IDToken: raw}, nil
		}
		s, _ := r.signIn()
		time.Sleep(2 * time.Minute)
		if at, err := s.Token(t.Context(), session.Target{}); err != nil || at.Token != "at-1" {
			t.Errorf("got %q, %v", at.Token.Reveal(), err)
		}
		if got := s.State().Grant; got.Claims["role"] != "reader" {
			t.Errorf("claims %v", got.Claims)
		}
	})
}

func TestWhatARefreshedIDTokenLeavesOutStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		r.provider.answer = func(n int, _ *session.Grant) (*session.Renewal, error) {
			renewal := r.provider.good(n)
			renewal.IDToken = "idt-1"
			return renewal, nil
		}
		at := time.Now().Add(-time.Hour).Truncate(time.Second)
		r.provider.verify = func(raw session.Token) (*session.Identity, error) {
			return &session.Identity{IDToken: raw, Claims: map[string]any{"sub": "alice"}, AuthTime: at, ACR: "mfa"}, nil
		}
		s, ticket := r.signIn()
		if err := s.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, g := range []session.Grant{s.State().Grant, r.read(ticket).Grant} {
			if g.ProviderSession != "sid-1" || g.Subject != "alice" || g.Issuer == "" || g.ClientID == "" {
				t.Errorf("lost: %q, %q, %q, %q", g.ProviderSession, g.Subject, g.Issuer, g.ClientID)
			}
			if !g.AuthTime.Equal(at) || g.ACR != "mfa" {
				t.Errorf("not taken over: %v, %q", g.AuthTime, g.ACR)
			}
		}
	})
}

// Each write takes effect, and its acknowledgement is lost.
func TestAWriteWhoseAcknowledgementIsLostIsRecognised(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		s, ticket := r.signIn()
		r.provider.answer = func(n int, _ *session.Grant) (*session.Renewal, error) {
			r.store.goDeaf(errors.New("connection reset"))
			renewal := r.provider.good(n)
			renewal.IDToken = "idt-1"
			return renewal, nil
		}
		r.provider.verify = func(raw session.Token) (*session.Identity, error) {
			return &session.Identity{IDToken: raw, Claims: map[string]any{"sub": "alice"}}, nil
		}
		time.Sleep(2 * time.Minute)
		if at, err := s.Token(t.Context(), session.Target{}); err != nil || at.Token != "at-1" {
			t.Errorf("got %q, %v", at.Token.Reveal(), err)
		}
		r.store.goDeaf(nil)
		if st := r.read(ticket); st.Grant.RefreshToken != "rt-1" || st.Grant.Generation != 1 {
			t.Errorf("the store holds %q of generation %d", st.Grant.RefreshToken.Reveal(), st.Grant.Generation)
		} else if st.Grant.IDToken != "idt-1" {
			t.Error("the claims that came with it are lost")
		}
		if n, _, _ := r.provider.counts(); n != 1 {
			t.Errorf("%d presentations", n)
		}
	})
}

func TestAnEndWhoseAcknowledgementIsLostIsAnEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		s, ticket := r.signIn()
		r.store.goDeaf(errors.New("connection reset"))
		wantStoreError(t, s.End(t.Context(), session.LoggedOut))
		r.store.goDeaf(nil)
		if err := s.End(t.Context(), session.LoggedOut); err != nil {
			t.Error(err)
		}
		_, err := r.Open(t.Context(), ticket)
		if reason(t, err) != session.LoggedOut || !closed(s.Done()) {
			t.Error(err)
		}
		time.Sleep(2 * time.Second)
		if _, _, revoked := r.provider.counts(); len(revoked) != 1 {
			t.Errorf("revoked %d", len(revoked))
		}
	})
}

// A store that was restored from a backup has an older record than memory. Asking it again
// and again helps nobody.
func TestAStoreThatWentBackIsToldAndNotAskedForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		r.halt()
		s, _ := r.signIn()
		backup := r.store.records[s.ID()]
		if err := s.Expire(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.store.records[s.ID()] = backup
		wantStoreError(t, s.End(t.Context(), session.LoggedOut))
	})
}

func TestARecordThatVanishesIsTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		s, ticket := r.signIn()
		r.store.mu.Lock()
		delete(r.store.records, s.ID())
		r.store.mu.Unlock()
		time.Sleep(2 * time.Minute)
		if _, err := s.Token(t.Context(), session.Target{}); !errors.Is(err, session.ErrNoSession) {
			t.Error(err)
		}
		if n, _, _ := r.provider.counts(); n != 0 {
			t.Errorf("%d presentations of a token that nobody could store", n)
		}
		if !closed(s.Done()) {
			t.Error("the stream goes on")
		}
		if err := s.End(t.Context(), session.LoggedOut); err != nil {
			t.Errorf("ending what is over: %v", err)
		}
		if _, err := r.Open(t.Context(), ticket); !errors.Is(err, session.ErrNoSession) {
			t.Error(err)
		}
	})
}

func TestEndingWhatHasVanishedIsNoError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		s, _ := r.signIn()
		r.store.mu.Lock()
		delete(r.store.records, s.ID())
		r.store.mu.Unlock()
		if err := s.End(t.Context(), session.LoggedOut); err != nil {
			t.Error(err)
		}
		if !closed(s.Done()) {
			t.Error("the stream goes on")
		}
	})
}

func TestARefreshTokenBesideAnErrorCostsNoAccessToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		r.provider.answer = func(int, *session.Grant) (*session.Renewal, error) {
			return &session.Renewal{RefreshToken: "rt-1"}, &session.RefreshError{Class: session.Transient}
		}
		s, _ := r.signIn()
		if err := s.Refresh(t.Context()); class(t, err) != session.Transient {
			t.Error(err)
		}
		if at, err := s.Token(t.Context(), session.Target{}); err != nil || at.Token != "at-0" {
			t.Errorf("got %q, %v", at.Token.Reveal(), err)
		}
	})
}

func TestALogoutDuringTheCheckOfAnIDTokenIsFinal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		r.provider.answer = func(n int, _ *session.Grant) (*session.Renewal, error) {
			renewal := r.provider.good(n)
			renewal.IDToken = "idt-1"
			return renewal, nil
		}
		s, _ := r.signIn()
		r.provider.verify = func(raw session.Token) (*session.Identity, error) {
			if err := s.End(t.Context(), session.LoggedOut); err != nil {
				t.Error(err)
			}
			return &session.Identity{IDToken: raw, Claims: map[string]any{"sub": "alice"}}, nil
		}
		if err := s.Refresh(t.Context()); reason(t, err) != session.LoggedOut {
			t.Error(err)
		}
		if st := s.State(); st.Grant.Claims != nil || st.Grant.IDToken != "idt-0" {
			t.Error("the tombstone was written to")
		}
	})
}
