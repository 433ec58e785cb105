package proxy

import (
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/cloakroom-bff/cloakroom/internal/oidc"
	"github.com/cloakroom-bff/cloakroom/session"
)

// explainRoute tells which route a request takes, among which others. err is find's.
func (g *Gateway) explainRoute(x *exchange, r *http.Request, rt *route, err error) *explainedRoute {
	e := &explainedRoute{Candidates: []candidate{}}
	table := g.hosts.find(x.client.host)
	if table != nil && x.path != "" {
		e.Candidates = table.candidates(x.path, rt, r.Method)
	}
	switch {
	case err != nil:
		e.Path, e.Why = x.name, g.problemOf(err).Detail
		if e.Why == "" {
			e.Why = "The path leads here, and no route of it takes the method."
		}
		return e
	case rt == nil:
		e.Path, e.Why = g.base+"/", "The gateway's own endpoints live there."
		return e
	}
	e.Path, e.Methods, e.Why = rt.Path, rt.methods, "Of the routes of this host whose path fits it has the longest, and it takes the method."
	e.Access = [...]string{Required: "required", Optional: "optional", Public: "public"}[rt.Access]
	e.Unauthenticated = [...]string{ByRequest: "auto", Login: "login", Deny: "401"}[rt.Unauthenticated]
	e.Token = kindName(rt.Token)
	return e
}

// kindName is what the configuration calls a kind of token.
func kindName(k TokenKind) string {
	return [...]string{
		UserToken: "user", NoToken: "none", Passthrough: "passthrough",
		ClientToken: "client", UserOrClientToken: "user_or_client", ExchangedToken: "exchange",
	}[k]
}

// candidates lists the routes whose path fits, the longest first, by the steps of longest.
func (t *table) candidates(path string, chosen *route, method string) []candidate {
	all := []candidate{}
	var decided *target
	for end := len(path); end > 0; end-- {
		found := t.paths[path[:end]]
		if found == nil || end < len(path) && path[end-1] != '/' {
			continue
		}
		if decided == nil {
			decided = found
		}
		all = append(all, found.candidates(decided, chosen, method)...)
	}
	return all
}

func (t *target) candidates(decided *target, chosen *route, method string) (all []candidate) {
	if t.own {
		return []candidate{{Path: t.path, Chosen: decided == t, Why: "the gateway's own endpoints"}}
	}
	for _, rt := range t.routes {
		c := candidate{Path: rt.Path, Methods: rt.methods, Chosen: rt == chosen}
		switch {
		case c.Chosen:
			c.Why = "the longest path, and the method"
		case decided != t:
			c.Why = "a longer path decides"
		case len(rt.methods) > 0 && !slices.Contains(rt.methods, method):
			c.Why = "the longest path, and not the method"
		default:
			c.Why = "the path can be read in more than one way"
		}
		all = append(all, c)
	}
	return all
}

// explainCSRF tells whether the gateway believes that a page of ours sent the request, and by
// what.
func (g *Gateway) explainCSRF(r *http.Request, asked bool) *explainedCSRF {
	e := &explainedCSRF{
		Site: told(r, "Sec-Fetch-Site"), Mode: told(r, "Sec-Fetch-Mode"), Dest: told(r, "Sec-Fetch-Dest"),
		Origin: told(r, "Origin"), PublicOrigin: g.origin, OwnHeader: one(r.Header, "X-Csrf") == "1",
	}
	switch t := testify(r, g.origin); {
	case !asked:
		e.Verdict, e.Why = "not_asked", "The request brings no ticket and would get no token, or the route does not ask."
	case g.fromPage(r) && !t.believed():
		e.Verdict, e.Why = "believed", "Origin is one of cors.origins."
	case t.believed():
		e.Verdict, e.Why = "believed", t.why()
	default:
		e.Verdict, e.Why = "refused", t.why()
	}
	return e
}

func (t testimony) why() string {
	return [...]string{
		bySameOrigin:  "Sec-Fetch-Site is same-origin.",
		byNavigation:  "A plain navigation of a whole tab may come from anywhere.",
		byOrigin:      "There is no fetch metadata, and Origin is the public one.",
		byOwnHeader:   "There is no fetch metadata, and X-CSRF: 1 is there.",
		byAccept:      "There is no fetch metadata, and a GET that accepts HTML passes as a navigation.",
		foreignOrigin: "Origin is not the public one, whatever else is there, or there is more than one.",
		foreignSite:   "Sec-Fetch-Site is not same-origin, and it is no navigation of a whole tab.",
		silence:       "There is no fetch metadata, no Origin, and no X-CSRF: 1.",
	}[t]
}

// told is what a header says, as far as it is worth showing.
func told(r *http.Request, name string) string {
	const most = 200
	text := strings.Join(r.Header[name], ", ")
	if len(text) > most {
		return strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}

// explainSession tells what peek found.
func (g *Gateway) explainSession(s *session.Session, err error) *explainedLogin {
	e := &explainedLogin{State: "live"}
	ended, over := errors.AsType[*session.EndedError](err)
	switch {
	case over:
		e.State, e.Reason = "ended", ended.Reason
		e.Why = "It has ended, or ends as soon as it is asked for."
	case errors.Is(err, session.ErrNoSession):
		e.State, e.Why = "none", err.Error()
	case err != nil:
		e.State, e.Why = "unknown", err.Error()
	}
	if s == nil {
		return e
	}
	sum, now := s.Summary(), g.cfg.Now()
	e.ID, e.Subject = sum.ID.String(), sum.Subject
	if e.State != "live" {
		return e
	}
	idle, absolute := s.Limits()
	e.Created, e.LastSeen = new(second(sum.Created)), new(second(sum.Seen))
	e.Age = new(wholeSeconds(now.Sub(sum.Created)))
	e.IdleExpiresIn, e.ExpiresIn = new(wholeSeconds(min(idle, absolute))), new(wholeSeconds(absolute))
	e.Limit = limitName(s.NextLimit())
	return e
}

// explainToken tells what an outlook says.
func (g *Gateway) explainToken(e *explainedToken, o session.Outlook) {
	e.Decision, e.Granted, e.InLine = o.Step, o.Scope, o.InLine
	if !o.Expiry.IsZero() {
		e.ExpiresIn = new(wholeSeconds(max(0, o.Expiry.Sub(g.cfg.Now()))))
	}
	e.Why = map[session.Step]string{
		session.Fresh:      "The token at hand is good for a while.",
		session.Background: "The token at hand is used, and a refresh begins beside.",
		session.UnderWay:   "The token at hand is used; a refresh is under way beside.",
		session.Postponed:  "The token at hand is used; a refresh is due and does not begin yet",
		session.Waits:      "There is no token that holds: the request waits for one.",
		session.Joins:      "There is no token that holds: the request waits for the refresh that is under way.",
		session.Fails:      "There is no token that holds, and none to be had",
	}[o.Step]
	if o.Err != nil {
		e.Why += ": " + o.Err.Error() + "."
	}
}

// explainNeeds judges one by one what the route requires.
func (g *Gateway) explainNeeds(x *exchange, rt *route, o session.Outlook) (needs []explainedNeed) {
	q := rt.Require
	note := func(what, name string, met bool, known bool) {
		need := explainedNeed{What: what, Name: name}
		if known && x.state != nil {
			need.Met = new(met)
		}
		needs = append(needs, need)
	}
	state := x.state
	if state == nil {
		state = &session.State{}
	}
	for _, name := range slices.Sorted(maps.Keys(q.Claims)) {
		note("claim", name, hasOneOf(claimNamed(state.Grant.Claims, name), q.Claims[name]), true)
	}
	at, scope := state.Grant.Access[session.Target{}], ""
	known := x.kind != UserToken || o.Held
	if scope = at.Scope; x.kind == UserToken {
		scope = o.Scope
	}
	for _, name := range q.Scopes {
		note("scope", name, slices.Contains(strings.Fields(scope), name), known)
	}
	if len(q.ACR) > 0 {
		note("acr", strings.Join(q.ACR, " "), g.cfg.Provider.Meets(&state.Grant, oidc.Demand(strings.Join(q.ACR, " "), "", "")), true)
	}
	if q.MaxAge > 0 {
		note("max_age", q.MaxAge.String(), g.cfg.Provider.Meets(&state.Grant, map[string]string{"max_age": rt.demand["max_age"]}), true)
	}
	return needs
}

// explainUpstreams lists the servers that a request could go to.
func explainUpstreams(rt *route, who *session.Session) (all []explainedUpstream) {
	var own *server
	if rt.pool != nil && rt.Balance.Sticky && who != nil {
		id := who.ID()
		own = rt.pool.pick(&id, 0)
	}
	for i, u := range rt.servers() {
		e := explainedUpstream{URL: u.Redacted()}
		if rt.pool != nil {
			e.LeftOut, e.Sticky = rt.pool.servers[i].out.Load(), rt.pool.servers[i] == own
		}
		all = append(all, e)
	}
	return all
}

// forwardedHeaders are the names of the headers that the upstream would get.
func forwardedHeaders(x *exchange, r *http.Request, rt *route) (names []string) {
	asked := r.Clone(r.Context())
	asked.Body, asked.ContentLength = http.NoBody, 0
	narrowUpgrade(asked)
	for name, lines := range rt.outgoing(r.Context(), x, asked).Header {
		if name != "User-Agent" || lines[0] != "" { // An empty one keeps Go's own away.
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// passedHeaders are the names of the headers that a front proxy would put in the place of the
// client's, without those that it would empty.
func (g *Gateway) passedHeaders(x *exchange, r *http.Request, rt *route) []string {
	answer := &exchange{
		w: nowhereToWrite{http.Header{}}, promises: x.promises, token: x.token, bearer: x.bearer,
	}
	if x.state != nil && rt.assertions != nil {
		answer.proof = string(placeholder)
	}
	g.letPass(answer, r, rt)
	var names []string
	for name, lines := range answer.Header() {
		if lines[0] != "" && (name == "Authorization" || name == "Cookie" || slices.Contains(rt.hygiene.promised, name)) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// nowhereToWrite is an answer that nobody gets.
type nowhereToWrite struct{ header http.Header }

func (n nowhereToWrite) Header() http.Header         { return n.header }
func (n nowhereToWrite) Write(p []byte) (int, error) { return len(p), nil }
func (n nowhereToWrite) WriteHeader(int)             {}
