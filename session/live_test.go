package session_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

// signInAs begins a session for a subject.
func (r *room) signInAs(subject string) (*session.Session, string) {
	r.t.Helper()
	g := r.grant()
	g.Subject, g.RefreshToken = subject, session.Token("rt-of-"+subject)
	s, ticket, err := r.Begin(r.t.Context(), session.Start{Grant: g, Device: session.Device{Browser: "Firefox", System: "Linux", Address: "192.0.2.0/24"}})
	if err != nil {
		r.t.Fatal(err)
	}
	return s, ticket
}

// live collects what a manager sees of its live sessions, by subject.
func live(t *testing.T, m *session.Manager) map[string]session.Summary {
	t.Helper()
	seen := make(map[string]session.Summary)
	for s, err := range m.Live(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if _, twice := seen[s.Subject]; twice {
			t.Errorf("%s was seen twice", s.Subject)
		}
		seen[s.Subject] = s
	}
	return seen
}

func TestAllLiveSessionsAreSeenAndNoOthers(t *testing.T) {
	onEachStore(t, func(t *testing.T, r *room) {
		s, _ := r.signInAs("alice")
		began := s.State().Created
		old, _ := r.signInAs("idle")
		gone, _ := r.signInAs("gone")
		time.Sleep(7 * time.Hour)
		s.Touch()
		for i := range 300 {
			r.signInAs(fmt.Sprint("bob-", i))
		}
		if err := gone.End(t.Context(), session.LoggedOut); err != nil {
			t.Fatal(err)
		}
		r.halt() // nobody ends what is at its limit, or writes activity
		time.Sleep(time.Hour)
		seen := live(t, r.Manager)
		if len(seen) != 301 {
			t.Errorf("%d sessions", len(seen))
		}
		want := session.Summary{
			ID: s.ID(), Issuer: "https://idp.example", ClientID: "bff", Subject: "alice", ProviderSession: "sid-1",
			Device: session.Device{Browser: "Firefox", System: "Linux", Address: "192.0.2.0/24"}, Created: began,
			Seen: began.Add(7 * time.Hour), Idle: began.Add(15 * time.Hour), Deadline: began.Add(168 * time.Hour),
		}
		if got := seen["alice"]; !sameSummary(got, want) || !sameSummary(s.Summary(), want) {
			t.Errorf("got %+v\nand %+v\nwant %+v", got, s.Summary(), want)
		}
		if old.State().Ended != "" {
			t.Error("to look ended a session")
		}
	})
}

// sameSummary compares times as moments.
func sameSummary(a, b session.Summary) bool {
	same := a.Created.Equal(b.Created) && a.Seen.Equal(b.Seen) && a.Idle.Equal(b.Idle) && a.Deadline.Equal(b.Deadline)
	a.Created, a.Seen, a.Idle, a.Deadline = b.Created, b.Seen, b.Idle, b.Deadline
	return same && a == b
}

func TestAnotherProcessSeesTheSameSessions(t *testing.T) {
	onEachStore(t, func(t *testing.T, r *room) {
		for i := range 10 {
			r.signInAs(fmt.Sprint("bob-", i))
		}
		if seen := live(t, r.other()); len(seen) != 10 {
			t.Errorf("%d sessions", len(seen))
		}
	})
}

func TestUseThatIsNotWrittenDownYetIsSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, func(c *session.Config) { c.SoleOwner = false })
		s, ticket := r.signInAs("alice")
		r.halt() // nobody writes activity
		elsewhere, err := r.other().Open(t.Context(), ticket)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			time.Sleep(7 * time.Hour)
			s.Touch()
			if idle := time.Since(live(t, r.Manager)["alice"].Seen); idle != 0 {
				t.Errorf("seen %v ago", idle)
			}
			if err := elsewhere.Expire(t.Context()); err != nil { // the record is newer than what is known here
				t.Fatal(err)
			}
		}
	})
}

func TestWhoLooksTakesNothingIntoMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		_, ticket := r.signIn()
		other := r.other()
		live(t, other)
		r.store.breakWith(errors.New("connection refused"))
		_, err := other.Open(t.Context(), ticket)
		wantStoreError(t, err)
	})
}

func TestARecordThatNoKeyOpensIsLeftOutOfTheListAndTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		r := open(t, func(c *session.Config) { c.Log = slog.New(slog.NewTextHandler(&log, nil)) })
		r.signInAs("lost")
		r.halt()
		r.config.Keys = ring(t, 2)
		r.start()
		r.signInAs("alice")
		if seen := live(t, r.Manager); len(seen) != 1 || seen["alice"].ID.IsZero() {
			t.Errorf("%d sessions", len(seen))
		}
		if !strings.Contains(log.String(), "records=1") {
			t.Errorf("the log says %q", log.String())
		}
	})
}

func TestAStoreThatIsAwayEndsTheList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		r.signIn()
		r.store.breakWith(errors.New("connection refused"))
		seen := 0
		for _, err := range r.Live(t.Context()) {
			wantStoreError(t, err)
			seen++
		}
		if seen != 1 {
			t.Errorf("%d times", seen)
		}
	})
}

func TestManySessionsEndAtOnce(t *testing.T) {
	onEachStore(t, func(t *testing.T, r *room) {
		var ids []session.ID
		var tokens []session.Token
		for i := range 200 {
			s, _ := r.signInAs(fmt.Sprint("bob-", i))
			ids, tokens = append(ids, s.ID()), append(tokens, s.State().Grant.RefreshToken)
		}
		stays, _ := r.signInAs("alice")
		over, err := r.Get(t.Context(), ids[0])
		if err != nil {
			t.Fatal(err)
		}
		if err := over.End(t.Context(), session.LoggedOut); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, session.ID{1}, ids[7]) // one that is nobody's, one twice
		ended, err := r.EndAll(t.Context(), ids, session.ByOperator)
		if ended != 199 || err != nil {
			t.Errorf("ended %d, %v", ended, err)
		}
		time.Sleep(time.Minute)
		_, _, revoked := r.provider.counts()
		slices.Sort(revoked)
		slices.Sort(tokens)
		if !slices.Equal(revoked, tokens) {
			t.Errorf("%d tokens were revoked", len(revoked))
		}
		s, err := r.Get(t.Context(), ids[1])
		if err != nil || s.State().Ended != session.ByOperator || stays.State().Ended != "" || over.State().Ended != session.LoggedOut {
			t.Errorf("ended: %v, %v, %v", s.State().Ended, stays.State().Ended, err)
		}
		if ended, err := r.EndAll(t.Context(), ids, session.ByOperator); ended != 0 || err != nil {
			t.Errorf("once more: ended %d, %v", ended, err)
		}
	})
}

// stubborn is a store that fails to write one record.
type stubborn struct {
	*memory
	id session.ID
}

func (s *stubborn) Replace(ctx context.Context, r session.Record) error {
	if r.ID == s.id {
		return errors.New("connection reset")
	}
	return s.memory.Replace(ctx, r)
}

func TestAFailureDoesNotStopTheEndOfTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &stubborn{memory: newMemory()}
		r := open(t, func(c *session.Config) { c.Store = store })
		var ids []session.ID
		for i := range 100 {
			s, _ := r.signInAs(fmt.Sprint("bob-", i))
			ids = append(ids, s.ID())
		}
		r.halt()
		store.id = ids[3]
		ended, err := r.EndAll(t.Context(), ids, session.ByOperator)
		wantStoreError(t, err)
		if ended != 99 || !strings.Contains(err.Error(), "1 of 100") {
			t.Errorf("ended %d, %v", ended, err)
		}
		store.id = session.ID{}
		if again, err := r.EndAll(t.Context(), ids, session.ByOperator); again != 1 || err != nil {
			t.Errorf("then %d, %v", again, err)
		}
	})
}

func TestTheEndOfManyGivesUpOnAStoreThatIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		ids := make([]session.ID, 5000)
		for i := range ids {
			ids[i] = session.ID{byte(i), byte(i >> 8), 1}
		}
		r.halt()
		r.store.breakWith(errors.New("connection refused"))
		ended, err := r.EndAll(t.Context(), ids, session.ByOperator)
		wantStoreError(t, err)
		if ended != 0 || !strings.Contains(err.Error(), "5000 of 5000") {
			t.Errorf("ended %d, %v", ended, err)
		}
		if n := r.store.loaded(); n > 200 {
			t.Errorf("%d calls to a store that is away", n)
		}
	})
}

func TestALookAtOneSessionIsRightAlsoAfterAnotherProcess(t *testing.T) {
	onEachStore(t, func(t *testing.T, r *room) {
		s, _ := r.signInAs("alice")
		other := r.other()
		mine, err := other.Get(t.Context(), s.ID()) // nobody tells it of changes
		if err != nil {
			t.Fatal(err)
		}
		got, err := other.Look(t.Context(), s.ID())
		if err != nil || !sameSummary(got, s.Summary()) || got.Subject != "alice" {
			t.Errorf("got %+v, %v", got, err)
		}
		if err := s.End(t.Context(), session.LoggedOut); err != nil {
			t.Fatal(err)
		}
		if _, err := other.Look(t.Context(), s.ID()); !errors.Is(err, session.ErrNoSession) || mine.State().Ended != "" {
			t.Errorf("after its end: %v", err)
		}
		if _, err := r.Look(t.Context(), session.ID{1}); !errors.Is(err, session.ErrNoSession) {
			t.Errorf("of nothing: %v", err)
		}
	})
}
