package session

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Config configures a [Manager].
type Config struct {
	Store     Store     // required
	Keys      *Keyring  // required
	Refresher Refresher // required

	// Issuer is asked for client tokens and exchanged ones; nil means that there are none.
	Issuer TokenIssuer

	// IdleTimeout ends a session without activity; zero means 8 hours.
	IdleTimeout time.Duration
	// AbsoluteTimeout ends a session whatever happens; zero means 168 hours.
	AbsoluteTimeout time.Duration
	// MaxPerUser is how many live sessions a subject of an issuer may have; zero means any
	// number. Beyond it, a login ends the oldest.
	MaxPerUser int
	// ByEmail lets sessions be found by the email claim of their users, too; see OfEmail. It
	// costs an entry in the store's index for each, from the session's next write on.
	ByEmail bool
	// BeforeExpiry is how long before its end an access token is refreshed in the
	// background, at most a fifth of its lifetime; zero means 60 seconds.
	BeforeExpiry time.Duration
	// Wait is how long a caller of Token waits for a flight; zero means 15 seconds.
	Wait time.Duration
	// Exchange bounds one call of the Refresher; zero means 10 seconds.
	Exchange time.Duration
	// LostAnswer says when a refresh token is presented once more whose answer was lost;
	// zero means when the access token has run out.
	LostAnswer LostAnswer
	// KeepTokens leaves the refresh token of an ended session alive at the provider,
	// unless the session ended because the token turned out to be somebody else's.
	KeepTokens bool

	// SoleOwner says that no other process uses the Store: a lease that another process
	// left behind is void at once.
	SoleOwner bool

	// StoreGrace is how long sessions in memory are served on while a Shared store is away;
	// zero means 10 seconds.
	StoreGrace time.Duration

	// Rate is how many refresh tokens may be presented in a second by this process, and as
	// many at once after a pause; zero means no limit. Logins have as much again for each
	// address.
	Rate float64

	// CacheBytes is about how much memory the sessions take that are kept decoded; zero
	// means 48 MiB, some 9,000 of a usual size. What is in use is kept beyond it.
	CacheBytes int64

	// Observe, if set, is told of every event, from many goroutines at a time. It must be
	// quick and must not block.
	Observe func(Event)

	// Tracer, if set, follows requests through what is done for them here.
	Tracer Tracer

	Log *slog.Logger     // nil: nowhere
	Now func() time.Time // nil: time.Now
}

// complete puts the defaults in the place of zeros.
func (cfg *Config) complete() error {
	if cfg.Store == nil || cfg.Keys == nil || cfg.Refresher == nil {
		return errors.New("session: Config needs a Store, Keys and a Refresher")
	}
	for _, d := range []struct {
		value *time.Duration
		zero  time.Duration
	}{
		{&cfg.IdleTimeout, 8 * time.Hour},
		{&cfg.AbsoluteTimeout, 168 * time.Hour},
		{&cfg.BeforeExpiry, time.Minute},
		{&cfg.Wait, 15 * time.Second},
		{&cfg.Exchange, 10 * time.Second},
		{&cfg.StoreGrace, 10 * time.Second},
	} {
		if *d.value < 0 {
			return fmt.Errorf("session: Config has a duration of %v: none may be negative", *d.value)
		}
		*d.value = cmp.Or(*d.value, d.zero)
	}
	if cfg.MaxPerUser < 0 {
		return fmt.Errorf("session: Config has a MaxPerUser of %d: write 0 for no limit, or more", cfg.MaxPerUser)
	}
	if cfg.CacheBytes < 0 {
		return fmt.Errorf("session: Config has CacheBytes of %d: write 0 for 48 MiB, or more", cfg.CacheBytes)
	}
	cfg.CacheBytes = cmp.Or(cfg.CacheBytes, 48<<20)
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return nil
}
