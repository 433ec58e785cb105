package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/oidc"
	"github.com/cloakroom-bff/cloakroom/session"
)

const (
	// maxLogoutForm bounds the form that a logout token comes in, in bytes.
	maxLogoutForm = 64 << 10
	// logoutsAtOnce is how many logout tokens are looked into at the same time. The
	// endpoint asks for no credential, so there must be an end to the work that it gives
	// away. It is no limit by address: that would let whoever shares the provider's, as
	// everybody does behind an unknown proxy, keep its logouts out.
	logoutsAtOnce = 32
	// logoutWait is how long one waits for its turn.
	logoutWait = 3 * time.Second
	// markSlack is added to the time for which a token is remembered: the store's clock is
	// not ours.
	markSlack = time.Minute
)

// backChannelLogout answers POST /bff/backchannel-logout: the provider's own server says
// that somebody is signed out (OpenID Connect Back-Channel Logout 1.0 §2.5–2.8). The logout
// token is the only credential; neither cookie nor CSRF proof is asked for, and none would
// help.
//
//	form ─▶ logout token ─▶ used before? ─▶ the sessions end ─▶ marked as used ─▶ 200
//
// A token is marked when its work is done, so that one that met a store or keys that were
// away may come again; a second one at the same time does the same work. What keeps a
// repeated token from ending sessions that began since is the mark, and, within the same
// call, its iat. Nothing to end is a success.
func (g *Gateway) backChannelLogout(w http.ResponseWriter, r *http.Request) error {
	if err := g.endByToken(w, r); err != nil {
		return g.refusedToken(err)
	}
	w.WriteHeader(http.StatusOK)
	return nil
}

func (g *Gateway) endByToken(w http.ResponseWriter, r *http.Request) error {
	token, err := logoutTokenOf(w, r)
	if err != nil {
		return err
	}
	// A provider that hangs up has not changed its mind.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), endWait)
	defer cancel()
	if err := g.logouts.enter(ctx); err != nil {
		return err
	}
	defer g.logouts.leave()
	l, err := g.cfg.Provider.VerifyLogoutToken(ctx, token)
	if err != nil {
		return err
	}
	used := "logout token of " + l.Issuer
	if err := g.cfg.Sessions.Unused(ctx, used, l.ID); err != nil {
		return err
	}
	_, err = g.cfg.Sessions.SignedOut(ctx, session.Word{
		Issuer: l.Issuer, Subject: l.Subject, ProviderSession: l.ProviderSession, At: l.IssuedAt,
	}, session.ByProvider)
	if err != nil {
		return err
	}
	return g.cfg.Sessions.Once(ctx, used, l.ID, l.Until.Sub(g.cfg.Now())+markSlack)
}

// logoutTokenOf reads the form, whose other members are nobody's concern.
func logoutTokenOf(w http.ResponseWriter, r *http.Request) (string, error) {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/x-www-form-urlencoded" {
		return "", badRequest("Send a form: application/x-www-form-urlencoded with logout_token.")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxLogoutForm))
	if err != nil {
		if _, large := errors.AsType[*http.MaxBytesError](err); large {
			return "", err
		}
		return "", &Problem{Code: BadRequest, Err: err, Detail: "The form could not be read."}
	}
	form, err := url.ParseQuery(string(body))
	if err != nil || len(form["logout_token"]) != 1 {
		return "", badRequest("The form must have logout_token, once.")
	}
	return form.Get("logout_token"), nil
}

// refusedToken is the answer to a logout token that came to nothing, in the form that the
// caller knows (§2.8). Only what will never be any good is a 400: most providers do not try
// again after that.
func (g *Gateway) refusedToken(err error) error {
	p := &Problem{Code: BadRequest, Err: err, oauth: "invalid_request"}
	switch known := g.problemOf(err); {
	case errors.Is(err, oidc.ErrLogoutToken):
		p.Detail = "This is no valid logout token for this client; the operator finds the reason in the gateway's log."
	case errors.Is(err, session.ErrUsed):
		p.Detail = "This logout token has been used."
	case known.answer() < http.StatusInternalServerError:
		*p = *known
		p.oauth = "invalid_request"
	default:
		*p = *known
		p.oauth, p.Detail = "temporarily_unavailable", "The logout could not be carried out. Please send the token again."
	}
	return p
}

// turnstile lets so many in at once.
type turnstile chan struct{}

// enter waits for a place, for logoutWait at most: who stand there wait for the store, or
// for the provider's keys.
func (t turnstile) enter(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, logoutWait)
	defer cancel()
	select {
	case t <- struct{}{}:
		return nil
	case <-ctx.Done():
		return problem(StoreUnavailable, fmt.Errorf("proxy: %d others were before it for %s", cap(t), logoutWait))
	}
}

func (t turnstile) leave() { <-t }
