package devidp

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// LogoutToken is what a back-channel logout says (OpenID Connect Back-Channel Logout 1.0
// §2.4). Subject, SID or both name who is out.
type LogoutToken struct {
	Client  string      `json:"client"` // the audience
	Subject string      `json:"sub"`
	SID     string      `json:"sid"`
	JTI     string      `json:"jti"` // empty means a fresh one; the same twice is a replay
	Fault   LogoutFault `json:"fault"`
}

// LogoutFault is what is wrong with a logout token.
type LogoutFault string

// The faults of logout tokens.
const (
	LogoutForeignKey    LogoutFault = "foreign_key"
	LogoutAlgNone       LogoutFault = "alg_none"
	LogoutHMAC          LogoutFault = "hs256" // with the client's secret
	LogoutWrongIssuer   LogoutFault = "wrong_iss"
	LogoutWrongAudience LogoutFault = "wrong_aud"
	LogoutNoEvent       LogoutFault = "no_event"
	LogoutWrongEvent    LogoutFault = "wrong_event"
	LogoutWithNonce     LogoutFault = "with_nonce"
	LogoutExpired       LogoutFault = "expired"    // an hour ago
	LogoutStale         LogoutFault = "stale"      // issued an hour ago, with an end that is still to come
	LogoutMissingJTI    LogoutFault = "no_jti"     //
	LogoutMissingIssued LogoutFault = "no_iat"     //
	LogoutIDToken       LogoutFault = "id_token"   // an ID token in its place
	LogoutPlainType     LogoutFault = "typ_jwt"    // typ is JWT, as some providers write: no fault at all
	LogoutTypeMissing   LogoutFault = "no_typ"     // no fault either
	LogoutAccessType    LogoutFault = "typ_at_jwt" // the typ of an access token
)

func logoutFaults() []LogoutFault {
	return []LogoutFault{
		LogoutForeignKey, LogoutAlgNone, LogoutHMAC, LogoutWrongIssuer, LogoutWrongAudience, LogoutNoEvent, LogoutWrongEvent,
		LogoutWithNonce, LogoutExpired, LogoutStale, LogoutMissingJTI, LogoutMissingIssued, LogoutIDToken, LogoutPlainType,
		LogoutTypeMissing, LogoutAccessType,
	}
}

const logoutEvent = "http://schemas.openid.net/event/backchannel-logout"

// NewLogoutToken makes a logout token that lives for two minutes. It has a claim that
// nobody knows, which clients must ignore.
func (p *Provider) NewLogoutToken(t LogoutToken) (string, error) {
	k := p.turned()
	now := p.clock(k)
	claims := map[string]any{
		"iss": p.issuer(k), "aud": t.Client, "iat": now.Unix(), "exp": now.Add(2 * time.Minute).Unix(), "jti": t.JTI,
		"events": map[string]any{logoutEvent: map[string]any{}}, "trace_id": random(),
	}
	if t.JTI == "" {
		claims["jti"] = random()
	}
	if t.Subject != "" {
		claims["sub"] = t.Subject
	}
	if t.SID != "" {
		claims["sid"] = t.SID
	}
	typ := t.Fault.spoil(claims, now, cmp.Or(k.LogoutTokenType, "logout+jwt"))
	text, err := p.signLogout(t.Fault, typ, claims)
	if err != nil {
		return "", err
	}
	p.books.mint(text, k.keep())
	return text, nil
}

func (p *Provider) signLogout(f LogoutFault, typ string, claims map[string]any) (string, error) {
	keys := p.currentKeys()
	switch f {
	case LogoutAlgNone:
		return unsigned(claims)
	case LogoutHMAC:
		return p.signWithSecret(claims)
	case LogoutForeignKey:
		var err error
		if keys, err = p.foreignKeys(); err != nil {
			return "", err
		}
	}
	key, err := keys.signer(string(jose.RS256))
	if err != nil {
		return "", err
	}
	return sign(key, typ, claims, false)
}

// spoil changes the claims, and returns the typ, which would be usual.
func (f LogoutFault) spoil(claims map[string]any, now time.Time, usual string) (typ string) {
	typ = usual
	switch f {
	case LogoutWrongIssuer:
		claims["iss"] = "https://evil.example"
	case LogoutWrongAudience:
		claims["aud"] = "somebody-else"
	case LogoutNoEvent:
		delete(claims, "events")
	case LogoutWrongEvent:
		claims["events"] = map[string]any{"http://schemas.openid.net/event/another": map[string]any{}}
	case LogoutWithNonce:
		claims["nonce"] = "a-nonce"
	case LogoutExpired:
		claims["iat"], claims["exp"] = now.Add(-time.Hour-2*time.Minute).Unix(), now.Add(-time.Hour).Unix()
	case LogoutStale:
		claims["iat"] = now.Add(-time.Hour).Unix()
	case LogoutMissingJTI:
		delete(claims, "jti")
	case LogoutMissingIssued:
		delete(claims, "iat")
	case LogoutIDToken:
		delete(claims, "events")
		claims["nonce"], claims["auth_time"], typ = "a-nonce", now.Unix(), "JWT"
	case LogoutPlainType:
		typ = "JWT"
	case LogoutTypeMissing:
		typ = ""
	case LogoutAccessType:
		typ = "at+jwt"
	}
	return typ
}

// SendLogoutToken makes a logout token and posts it to a client's back-channel address,
// which must be on loopback; empty means the one that is registered. The form has a member
// that nobody knows. It returns the client's status.
func (p *Provider) SendLogoutToken(ctx context.Context, address string, t LogoutToken) (status int, err error) {
	if address == "" {
		p.mu.Lock()
		address = p.clients[t.Client].BackchannelLogoutURI
		p.mu.Unlock()
	}
	if _, err := loopback(address); err != nil {
		return 0, fmt.Errorf("devidp: back-channel address %w", err)
	}
	token, err := p.NewLogoutToken(t)
	if err != nil {
		return 0, err
	}
	form := url.Values{"logout_token": {token}, "unknown": {"member"}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		return 0, fmt.Errorf("devidp: send a logout token: %w", err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	client := &http.Client{
		Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, fmt.Errorf("devidp: send a logout token: %w", err)
	}
	defer resp.Body.Close()
	p.books.deliver(LogoutAnswer{resp.StatusCode, resp.Header.Clone()}, p.turned().keep())
	_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20))
	return resp.StatusCode, err
}

// announceLogout tells the clients that had tokens out of a session, and have an address
// to be told at, that it is over. It waits for their answers; a client that does not take
// the token is not told again.
func (p *Provider) announceLogout(ctx context.Context, sid string) {
	told := make(map[string]LogoutToken)
	p.mu.Lock()
	fault := p.knobs.LogoutTokenFault
	for _, g := range p.grants {
		if sid != "" && g.sid == sid && p.clients[g.client].BackchannelLogoutURI != "" {
			told[g.client] = LogoutToken{Client: g.client, Subject: g.user.subject(), SID: sid, Fault: fault}
		}
	}
	p.mu.Unlock()
	for _, t := range told {
		_, _ = p.SendLogoutToken(ctx, "", t) // the browser is signed out whatever becomes of it
	}
}
