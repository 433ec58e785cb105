package session

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestFailuresInARowOpenTheBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &breaker{now: time.Now}
		for range breakAfter {
			if err := b.allow(); err != nil {
				t.Fatal(err)
			}
			b.heard(&RefreshError{Class: Transient})
		}
		var failed *RefreshError
		if err := b.allow(); !errors.As(err, &failed) || failed.Class != Transient || failed.RetryAfter < time.Second {
			t.Fatalf("got %v", err)
		}
		time.Sleep(5 * time.Second)
		if err := b.allow(); err != nil {
			t.Fatalf("no probe went: %v", err)
		}
		if err := b.allow(); err == nil {
			t.Error("two probes at a time")
		}
		b.heard(nil)
		if err := b.allow(); err != nil {
			t.Errorf("the provider is back: %v", err)
		}
	})
}

func TestARefusedClientOpensTheBreakerAtOnce(t *testing.T) {
	b := &breaker{now: time.Now}
	b.heard(&RefreshError{Class: Operator})
	if err := b.allow(); err == nil {
		t.Error("asked again")
	}
}

func TestARefusedSessionSaysNothingOfTheProvider(t *testing.T) {
	b := &breaker{now: time.Now}
	for range 3 {
		for range breakAfter - 1 {
			b.heard(&RefreshError{Class: Unknown})
		}
		b.heard(&RefreshError{Class: Refused})
	}
	if err := b.allow(); err != nil {
		t.Error(err)
	}
}

func TestAProbeThatNeverComesBackHoldsUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &breaker{now: time.Now}
		b.heard(&RefreshError{Class: Operator})
		time.Sleep(5 * time.Second)
		if err := b.allow(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(probeFor)
		if err := b.allow(); err != nil {
			t.Errorf("no other probe went: %v", err)
		}
	})
}

func TestTheProvidersTimeIsRespected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &breaker{now: time.Now}
		for range breakAfter {
			b.heard(&RefreshError{Class: Transient, RetryAfter: time.Minute})
		}
		time.Sleep(59 * time.Second)
		if err := b.allow(); err == nil {
			t.Error("asked before the provider's time")
		}
		time.Sleep(time.Second)
		if err := b.allow(); err != nil {
			t.Error(err)
		}
	})
}

func TestWhoIsNotKnownToTheProviderSaysSoUntilItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &breaker{now: time.Now}
		if err := b.misconfigured(); err != nil {
			t.Fatalf("nobody said anything: %v", err)
		}
		b.heard(&RefreshError{Class: Operator, Code: "invalid_client"})
		b.heard(&RefreshError{Class: Transient})
		if err := b.misconfigured(); !errors.As(err, new(*RefreshError)) {
			t.Errorf("an outage took it back: %v", err)
		}
		b.heard(nil)
		if err := b.misconfigured(); err != nil {
			t.Errorf("it has been mended: %v", err)
		}
		b.heard(&RefreshError{Class: Operator, Code: "invalid_client"})
		b.heard(&RefreshError{Class: Refused})
		if err := b.misconfigured(); err != nil {
			t.Errorf("the provider refused a session, so it knows the client: %v", err)
		}
	})
}

// An orchestrator sends nothing to who is not ready; without a request there is no attempt,
// and without an attempt no good news.
func TestWhoGetsNoTrafficForItTriesAgainAfterAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &breaker{now: time.Now}
		b.heard(&RefreshError{Class: Operator, Code: "invalid_client"})
		time.Sleep(misfitFor - time.Second)
		if err := b.misconfigured(); err == nil {
			t.Error("forgotten too soon")
		}
		time.Sleep(time.Second)
		if err := b.misconfigured(); err != nil {
			t.Errorf("still %v", err)
		}
	})
}

func TestABadRequestOfOneSessionClosesTheDoorToNoOther(t *testing.T) {
	b := &breaker{now: time.Now}
	b.heard(&RefreshError{Class: Operator, Code: "invalid_request"})
	if err := errors.Join(b.allow(), b.misconfigured()); err != nil {
		t.Error(err)
	}
}
