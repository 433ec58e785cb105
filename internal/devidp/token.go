package devidp

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// serveToken exchanges codes and refresh tokens (RFC 6749 §4.1.3, §6), and issues what
// needs neither.
func (p *Provider) serveToken(w http.ResponseWriter, r *http.Request) {
	p.offerNonce(w, p.turned())
	body, err := p.exchange(r)
	if err != nil {
		p.books.count(func(s *Stats) { s.Refused++ })
		sendRefusal(w, err)
		return
	}
	w.Header().Set("Pragma", "no-cache")
	writeJSON(w, http.StatusOK, body)
}

func (p *Provider) exchange(r *http.Request) (map[string]any, error) {
	form, err := readForm(r)
	if err != nil {
		return nil, err
	}
	client, err := p.authenticate(r, form)
	if err != nil {
		return nil, err
	}
	if client.bound, err = p.binding(p.turned(), r); err != nil {
		return nil, err
	}
	switch form.Get("grant_type") {
	case "authorization_code":
		return p.redeemCode(r.Context(), client, form)
	case "refresh_token":
		return p.redeemRefreshToken(r.Context(), client, form)
	case "client_credentials":
		return p.issueToClient(client, form)
	case grantTokenExchange:
		return p.tradeToken(client, form)
	case "":
		return nil, refuse("invalid_request", "grant_type is missing")
	}
	return nil, refuse("unsupported_grant_type", "only codes, refresh tokens, client credentials and token exchange are spoken here")
}

// redeemCode answers with the tokens of a login.
func (p *Provider) redeemCode(ctx context.Context, client Client, form url.Values) (map[string]any, error) {
	c, err := p.takeCode(client, form)
	if err != nil {
		return nil, err
	}
	k := p.turned()
	claims, err := k.runScript(ctx, ProtocolLogin, c.browser.user)
	if err != nil {
		return nil, err
	}
	a, b := c.request, c.browser
	target, refusal := k.targetOf(a, form)
	if refusal != nil {
		return nil, refusal
	}
	g := &grant{
		id: random(), client: client.ID, user: b.user, scope: k.narrow(a.scope), target: target,
		resources: a.resource, details: a.details, nonce: a.nonce, jkt: client.bound.key, sid: b.sid, acr: b.acr, authTime: b.authTime, began: p.clock(k),
	}
	var next string
	p.mu.Lock()
	c.grant = g
	p.addGrant(g)
	if a.offline(k, g.scope) && !k.NoRefreshToken {
		next, err = p.newRefreshToken(g)
	}
	p.mu.Unlock()
	if err != nil {
		return nil, err
	}
	p.books.count(func(s *Stats) { s.Exchanges++ })
	return p.answer(k, issue{grant: g, claims: claims, at: AtLogin, scope: g.scope, target: target, details: g.details, bound: client.bound, refreshToken: next})
}

// takeCode uses a code up, whether the request is good or not. A code that comes again was
// stolen, before or now: what came of it dies (RFC 6749 §4.1.2).
func (p *Provider) takeCode(client Client, form url.Values) (*code, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.codes[form.Get("code")]
	switch {
	case c == nil:
		return nil, refuse("invalid_grant", "unknown code")
	case c.used:
		p.books.count(func(s *Stats) { s.CodeReuses++ })
		if c.grant != nil {
			c.grant.dead = true
			p.killAccessTokens(c.grant)
		}
		return nil, refuse("invalid_grant", "the code was used before")
	}
	c.used = true
	switch {
	case c.request.client.ID != client.ID:
		return nil, refuse("invalid_grant", "the code is another client's")
	case !p.clock(p.knobs).Before(c.expires):
		return nil, refuse("invalid_grant", "the code has expired")
	case form.Get("redirect_uri") != c.request.redirectURI:
		return nil, refuse("invalid_grant", "redirect_uri is not the one of the authorization request")
	case c.request.jkt != "" && c.request.jkt != client.bound.key:
		return nil, refuse("invalid_grant", "the code is bound to a key that was not proven (dpop_jkt)")
	case !verifies(c.request.challenge, form.Get("code_verifier")):
		return nil, refuse("invalid_grant", "code_verifier does not fit the challenge")
	}
	return c, nil
}

// verifies checks PKCE, S256 (RFC 7636 §4.1, §4.6).
func verifies(challenge, verifier string) bool {
	if len(verifier) < 43 || len(verifier) > 128 || !isAlphanumeric(verifier, "-._~") {
		return false
	}
	digest := sha256.Sum256([]byte(verifier))
	return subtle.ConstantTimeCompare([]byte(challenge), []byte(base64.RawURLEncoding.EncodeToString(digest[:]))) == 1
}

// redeemRefreshToken answers with renewed tokens.
func (p *Provider) redeemRefreshToken(ctx context.Context, client Client, form url.Values) (map[string]any, error) {
	text := form.Get("refresh_token")
	if text == "" {
		return nil, refuse("invalid_request", "refresh_token is missing")
	}
	k := p.turned()
	i := issue{at: AtRefresh}
	if g := p.peek(text, client.ID); g != nil {
		err := p.bind(g, client.bound.key)
		if err != nil {
			return nil, err
		}
		if i, err = p.prepareRefresh(ctx, k, g, form); err != nil {
			return nil, err
		}
	}
	var err error
	p.mu.Lock()
	i.grant, i.refreshToken, err = p.redeem(text, client.ID)
	if err == nil && k.RefreshKillsOldAccessTokens {
		p.killAccessTokens(i.grant)
	}
	p.mu.Unlock()
	if err != nil {
		return nil, err
	}
	p.books.count(func(s *Stats) { s.Refreshes++ })
	i.bound = client.bound
	return p.answer(k, i)
}

// prepareRefresh does what may refuse a good refresh token without using it up.
func (p *Provider) prepareRefresh(ctx context.Context, k Knobs, g *grant, form url.Values) (issue, error) {
	if k.MFARequired {
		token := "Fe26." + random()
		p.books.mint(token, k.keep())
		return issue{}, &Refusal{
			Status: http.StatusForbidden, Code: "mfa_required", Description: "Multifactor authentication required",
			More: map[string]any{"mfa_token": token, "mfa_requirements": map[string]any{"challenge": []any{map[string]string{"type": "otp"}}}},
		}
	}
	i := issue{at: AtRefresh, scope: g.scope, target: g.target}
	if form.Has("scope") && !k.IgnoreRefreshScope {
		i.scope = strings.Fields(form.Get("scope"))
		if refusal := k.judgeScope(i.scope, g.scope); refusal != nil {
			return issue{}, refusal
		}
	}
	i.scope = k.narrow(i.scope)
	named := strings.Fields(form.Get("scope"))
	i.noIDToken = k.AskAgain != "" && !slices.Contains(named, "openid")
	i.noRefreshToken = k.AskAgain == ForAllTokens && !slices.Contains(named, "offline_access")
	if form.Has("audience") || form.Has("resource") {
		target, refusal := k.target(form.Get("audience"), form["resource"])
		if refusal != nil {
			return issue{}, refusal
		}
		i.target = target
	}
	if refusal := k.judgeResource(g, form); refusal != nil {
		return issue{}, refusal
	}
	var refusal *Refusal
	if i.details, refusal = k.narrowDetails(g.details, form); refusal != nil {
		return issue{}, refusal
	}
	var err error
	i.claims, err = k.runScript(ctx, ProtocolRefresh, g.user)
	return i, err
}

// judgeScope judges the scopes that a refresh names (RFC 6749 §6).
func (k Knobs) judgeScope(named, granted []string) *Refusal {
	for _, s := range named {
		if !slices.Contains(granted, s) {
			return refuse("invalid_scope", "a scope that was not granted")
		}
	}
	for _, s := range k.RefreshScopes {
		if !slices.Contains(named, s) {
			return refuse("invalid_scope", "a refresh that names scopes must name "+s)
		}
	}
	return nil
}

// offline reports whether a login asked for a refresh token.
func (a *authRequest) offline(k Knobs, granted []string) bool {
	switch k.RefreshTokenFor {
	case Unasked:
		return true
	case ByAccessType:
		return a.accessType == "offline" && slices.Contains(a.prompt, "consent")
	}
	return slices.Contains(granted, "offline_access")
}

// runScript returns the user's claims as the script leaves them.
func (k Knobs) runScript(ctx context.Context, protocol string, u User) (map[string]any, error) {
	claims := maps.Clone(u.Claims)
	if claims == nil {
		claims = make(map[string]any)
	}
	if k.ClaimsScript == nil {
		return claims, nil
	}
	return claims, k.ClaimsScript(ctx, protocol, claims)
}

// narrow applies GrantScope.
func (k Knobs) narrow(scope []string) []string {
	if k.GrantScope == "" {
		return scope
	}
	granted := strings.Fields(k.GrantScope)
	return slices.DeleteFunc(slices.Clone(scope), func(s string) bool { return !slices.Contains(granted, s) })
}

// issue is what an answer is made of.
type issue struct {
	grant        *grant
	claims       map[string]any // the user's, after the script
	at           Occasion
	scope        []string
	target       string
	details      []detail
	actor        string // who acts for the user; "" for nobody
	refreshToken string

	bound binding

	noIDToken, noRefreshToken bool // since the refresh names no scope for it
}

// accessAnswer makes an access token and the body that carries it (RFC 6749 §5.1).
func (p *Provider) accessAnswer(k Knobs, i issue) (access string, body map[string]any, err error) {
	ttl := orDuration(k.AccessTokenTTL, 5*time.Minute)
	if access, err = p.newAccessToken(k, i, ttl); err != nil {
		return "", nil, err
	}
	body = map[string]any{"access_token": access, "token_type": "Bearer", "expires_in": int(ttl.Seconds())}
	if i.bound.key != "" {
		body["token_type"] = "DPoP"
	}
	if k.TokenType != "" {
		body["token_type"] = k.TokenType
	}
	if k.ExpiresIn != nil {
		body["expires_in"] = k.ExpiresIn
	}
	if k.OmitExpiresIn {
		delete(body, "expires_in")
	}
	if k.OmitAccessToken {
		delete(body, "access_token")
	}
	if !k.OmitScope {
		body["scope"] = strings.Join(i.scope, " ")
	}
	if len(i.details) > 0 && !k.OmitDetails {
		body["authorization_details"] = i.details
	}
	return access, body, nil
}

// answer makes the tokens of a login or a refresh.
func (p *Provider) answer(k Knobs, i issue) (map[string]any, error) {
	access, body, err := p.accessAnswer(k, i)
	if err != nil {
		return nil, err
	}
	if i.refreshToken != "" && !i.noRefreshToken {
		body["refresh_token"] = i.refreshToken
		if k.RefreshTokenHint != "" {
			body[k.RefreshTokenHint] = p.remaining(k, i.grant)
		}
	}
	if i.at == AtRefresh && (k.NoIDTokenOnRefresh || i.noIDToken || !slices.Contains(i.scope, "openid")) {
		return body, nil
	}
	id, err := p.newIDToken(k, i, access)
	if id != "" {
		body["id_token"] = id
	}
	return body, err
}

// remaining is the refresh token's life in seconds; zero says that it has no end.
func (p *Provider) remaining(k Knobs, g *grant) int {
	left := k.RefreshTokenIdleTTL
	if k.RefreshTokenAbsoluteTTL > 0 {
		absolute := g.began.Add(k.RefreshTokenAbsoluteTTL).Sub(p.clock(k))
		if left == 0 || absolute < left {
			left = absolute
		}
	}
	return int(left.Seconds())
}
