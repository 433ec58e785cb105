package oidc_test

import (
	"errors"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/devidp"
	"github.com/cloakroom-bff/cloakroom/internal/oidc"
	"github.com/cloakroom-bff/cloakroom/session"
)

func TestARefreshedIDTokenReplacesTheClaims(t *testing.T) {
	t.Parallel()
	b := setUp(t, devidp.Knobs{})
	for _, nonce := range []bool{false, true} {
		b.idp.Adjust(func(k *devidp.Knobs) { k.NonceOnRefresh = nonce })
		g := b.login()
		r := b.refresh(g)
		id, err := b.Verify(t.Context(), g, r.IDToken)
		if err != nil {
			t.Fatal(err)
		}
		if id.IDToken != r.IDToken || id.Claims["sub"] != "alice" || id.ProviderSession != g.ProviderSession || id.AuthTime.Unix() != g.AuthTime.Unix() {
			t.Errorf("got %+v", id)
		}
	}
}

func TestAFaultyRefreshedIDTokenEndsTheSessionOrKeepsTheClaims(t *testing.T) {
	t.Parallel()
	const fine, identity, kept = 0, 1, 2
	want := map[devidp.Fault]int{
		devidp.ForeignKey:      kept, // under a kid that nobody knows
		devidp.WrongKey:        identity,
		devidp.BrokenSignature: identity,
		devidp.AlgNone:         kept, // no signature at all
		devidp.HMACPublicKey:   kept,
		devidp.HMACBroken:      kept,
		devidp.WrongAudience:   identity,
		devidp.WrongIssuer:     identity,
		devidp.WrongSubject:    identity,
		devidp.WrongNonce:      identity,
		devidp.WrongAuthorized: identity,
		devidp.MissingNonce:    fine,
		devidp.AudienceList:    fine,
		devidp.WrongAccessHash: fine, // the access token is not at hand
		devidp.Expired:         kept,
		devidp.MissingExpiry:   kept,
		devidp.MissingIssued:   kept,
		devidp.MissingSubject:  kept,
		devidp.MissingAudience: kept,
		devidp.MissingIssuer:   kept,
		devidp.FutureIssued:    kept,
		devidp.StaleIssued:     kept,
		devidp.MovedAuthTime:   kept,
		devidp.ExtraAudience:   kept,
	}
	b := setUp(t, devidp.Knobs{IDTokenFaultAt: devidp.AtRefresh})
	for _, fault := range devidp.Faults() {
		t.Run(string(fault), func(t *testing.T) {
			b.idp.Adjust(func(k *devidp.Knobs) { k.IDTokenFault = fault })
			g := b.login()
			r := b.refresh(g) // whatever the ID token is, the tokens are good
			if fault == devidp.NoTokenAtAll {
				return
			}
			expected, known := want[fault]
			if !known {
				t.Fatal("nobody has said what this fault means")
			}
			_, err := b.Verify(t.Context(), g, r.IDToken)
			got := fine
			switch {
			case errors.Is(err, session.ErrIdentity):
				got = identity
			case err != nil:
				got = kept
			}
			if got != expected {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestKeysThatAreNotToBeHadEndNoSession(t *testing.T) {
	t.Parallel()
	b := setUp(t, devidp.Knobs{})
	g := b.login()
	restarted := newClient(t, b.idp.Issuer())
	b.idp.Adjust(func(k *devidp.Knobs) { k.JWKSDown = true })
	r := b.refresh(g)
	if _, err := restarted.Verify(t.Context(), g, r.IDToken); err == nil || errors.Is(err, session.ErrIdentity) {
		t.Errorf("got %v", err)
	}
}

func TestAGrantOfAnotherClientIsPresentedNowhere(t *testing.T) {
	t.Parallel()
	b := setUp(t, devidp.Knobs{})
	g := b.login()
	before := b.idp.Stats().TokenRequests
	for _, c := range []*oidc.Client{
		newClient(t, b.idp.Issuer(), func(cfg *oidc.Config) { cfg.ClientID = "another" }),
		newClient(t, b.idp.Issuer()+"/"),
	} {
		_, err := c.Refresh(t.Context(), g, session.Target{})
		if failureOf(t, err).Class != session.Operator || !errors.Is(err, oidc.ErrForeign) {
			t.Errorf("Refresh: %v", err)
		}
		if _, err := c.Verify(t.Context(), g, g.IDToken); !errors.Is(err, oidc.ErrForeign) {
			t.Errorf("Verify: %v", err)
		}
		if err := c.Revoke(t.Context(), session.Revocation{Issuer: g.Issuer, ClientID: g.ClientID, Token: g.RefreshToken}); !errors.Is(err, oidc.ErrForeign) {
			t.Errorf("Revoke: %v", err)
		}
	}
	if s := b.idp.Stats(); s.TokenRequests != before || s.Revocations != 0 {
		t.Errorf("%+v", s)
	}
}

func TestUserInfoThatFailsAtARefreshKeepsWhatItSaidLast(t *testing.T) {
	t.Parallel()
	b := setUp(t, devidp.Knobs{BareIDToken: true}, func(cfg *oidc.Config) { cfg.UserInfo = true })
	g := b.login()
	g.Claims["gone"] = "an old ID token's"
	for _, fault := range []devidp.UserInfoFault{devidp.UserInfoError, devidp.UserInfoArray, devidp.UserInfoWrongSub, ""} {
		b.idp.Adjust(func(k *devidp.Knobs) { k.UserInfoFault = fault })
		id, err := b.Verify(t.Context(), g, b.refresh(g).IDToken)
		if err != nil {
			t.Fatalf("%q: %v", fault, err)
		}
		if id.Claims["name"] == nil || id.Claims["sub"] != "alice" {
			t.Errorf("%q: claims are %v", fault, id.Claims)
		}
	}
}

func TestForgedKeyIDsCostOneFetchAMinute(t *testing.T) {
	t.Parallel()
	b := setUp(t, devidp.Knobs{})
	g := b.login()
	if n := b.idp.Stats().JWKSRequests; n != 1 {
		t.Fatalf("%d fetches at the login", n)
	}
	b.idp.Adjust(func(k *devidp.Knobs) { k.IDTokenFault = devidp.ForeignKey })
	forged := b.refresh(g).IDToken
	for range 1000 {
		if _, err := b.Verify(t.Context(), g, forged); err == nil {
			t.Fatal("a forged token was believed")
		}
	}
	if n := b.idp.Stats().JWKSRequests; n != 2 {
		t.Errorf("%d fetches, want one for the login and one for the forged", n)
	}
	b.clock.advance(61 * time.Second)
	if _, err := b.Verify(t.Context(), g, forged); err == nil {
		t.Error("a forged token was believed")
	}
	if n := b.idp.Stats().JWKSRequests; n != 3 {
		t.Errorf("%d fetches after another minute", n)
	}
}

func TestARotationJustBeforeSigningIsFollowedAtOnce(t *testing.T) {
	t.Parallel()
	b := setUp(t, devidp.Knobs{})
	g := b.login()
	if err := b.idp.RotateKeys(); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Verify(t.Context(), g, b.refresh(g).IDToken); err != nil {
		t.Error(err)
	}
	b.login()
	if n := b.idp.Stats().JWKSRequests; n != 2 {
		t.Errorf("%d fetches", n)
	}
}
