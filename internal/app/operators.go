package app

import (
	"bytes"
	"context"
	"iter"
	"net/http"
	"slices"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/telemetry"
	"github.com/cloakroom-bff/cloakroom/session"
)

// operators is the operator's API, on the admin listener:
//
//	GET    /sessions        those that a filter chooses, page by page
//	GET    /sessions/{id}   one
//	DELETE /sessions/{id}   ends one
//	DELETE /sessions        ends those that a filter chooses
//	GET    /backup          the store's file, where it is one
//
// Any replica answers for all of them. Each act, also one that was refused, goes into the
// audit log.
type operators struct {
	sessions *session.Manager
	store    session.Store
	issuers  []string // that the provider's grants are filed under
	now      func() time.Time
}

// sessionInfo is a live session as an operator sees it. Times are in RFC 3339, to the
// second. There is no token in it, no ticket, and no claim but the subject.
type sessionInfo struct {
	ID       string    `json:"id"` // the one in the logs; nobody can make a ticket of it
	Issuer   string    `json:"issuer"`
	Subject  string    `json:"subject"`
	Client   string    `json:"client"`
	Browser  string    `json:"browser"`
	System   string    `json:"system"`
	Address  string    `json:"address"` // the network that it signed in from
	Created  time.Time `json:"created"`
	LastSeen time.Time `json:"last_seen"`
	IdleEnd  time.Time `json:"idle_end"` // when it ends if nobody uses it any more
	End      time.Time `json:"end"`      // when it ends whatever happens
}

func infoOf(s session.Summary) sessionInfo {
	second := func(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }
	return sessionInfo{
		ID: s.ID.String(), Issuer: s.Issuer, Subject: s.Subject, Client: s.ClientID,
		Browser: s.Device.Browser, System: s.Device.System, Address: s.Device.Address,
		Created: second(s.Created), LastSeen: second(s.Seen), IdleEnd: second(s.Idle), End: second(s.Deadline),
	}
}

// page is the answer to GET /sessions, in the order of the ids.
type page struct {
	Sessions []sessionInfo `json:"sessions"`
	// Next is where the next page goes on, as the parameter after; empty on the last one.
	Next string `json:"next,omitempty"`
}

// outcome is the answer to a DELETE.
type outcome struct {
	Ended int `json:"ended"`
}

const (
	pageUsual = 100
	pageMost  = 10_000

	// findWait and endWait bound an act; both are long enough for 100,000 sessions.
	findWait = time.Minute
	endWait  = 10 * time.Minute
)

// list answers GET /sessions.
func (o *operators) list(r *http.Request, act *telemetry.Act) (any, error) {
	query, err := readQuery(r)
	if err != nil {
		return nil, err
	}
	limit, after, err := readPage(query)
	if err != nil {
		return nil, err
	}
	f, err := readFilter(query)
	if err != nil {
		return nil, err
	}
	act.Filter = f.String()
	ctx, cancel := context.WithTimeout(r.Context(), findWait)
	defer cancel()
	// One more than the page, to know whether there is a next one.
	var found []session.Summary
	for s, err := range o.find(ctx, &f) {
		if err != nil {
			return nil, err
		}
		if bytes.Compare(s.ID[:], after[:]) <= 0 {
			continue
		}
		if found = append(found, s); len(found) > 2*pageMost {
			found = lowest(found, limit+1)
		}
	}
	found = lowest(found, limit+1)
	p := page{Sessions: make([]sessionInfo, 0, min(len(found), limit))}
	for _, s := range found[:min(len(found), limit)] {
		p.Sessions = append(p.Sessions, infoOf(s))
	}
	if len(found) > limit {
		p.Next = found[limit-1].ID.String()
	}
	return p, nil
}

// lowest keeps the n with the lowest ids, in their order.
func lowest(list []session.Summary, n int) []session.Summary {
	slices.SortFunc(list, func(a, b session.Summary) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	return list[:min(n, len(list))]
}

// show answers GET /sessions/{id}.
func (o *operators) show(r *http.Request, act *telemetry.Act) (any, error) {
	id, err := readID(r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	act.Session = id.String()
	s, err := o.sessions.Look(r.Context(), id)
	if err != nil {
		return nil, err
	}
	return infoOf(s), nil
}

// end answers DELETE /sessions/{id}.
func (o *operators) end(r *http.Request, act *telemetry.Act) (any, error) {
	id, err := readID(r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	act.Session = id.String()
	if err := o.endAll(r, act, []session.ID{id}); err != nil {
		return nil, err
	}
	if act.Ended == 0 {
		return nil, session.ErrNoSession
	}
	return outcome{act.Ended}, nil
}

// endMany answers DELETE /sessions. Whatever may end the sessions of more than one person
// has to be confirmed: it is too easily done by a filter that was forgotten.
func (o *operators) endMany(r *http.Request, act *telemetry.Act) (any, error) {
	query, err := readQuery(r)
	if err != nil {
		return nil, err
	}
	f, all, confirmed, err := readMany(query)
	if err != nil {
		return nil, err
	}
	act.Filter = f.String()
	if all {
		act.Filter = "all=true"
	}
	if !f.narrow() && !confirmed {
		return nil, newProblem(http.StatusBadRequest, "confirmation_required", "This may end the sessions of many people. Add confirm=true if that is meant.")
	}
	ctx, cancel := context.WithTimeout(r.Context(), findWait)
	defer cancel()
	var ids []session.ID
	for s, err := range o.find(ctx, &f) {
		if err != nil {
			return nil, unfinished(err, 0)
		}
		ids = append(ids, s.ID)
	}
	if err := o.endAll(r, act, ids); err != nil {
		return nil, err
	}
	return outcome{act.Ended}, nil
}

// endAll ends sessions, also if the operator leaves meanwhile.
func (o *operators) endAll(r *http.Request, act *telemetry.Act, ids []session.ID) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), endWait)
	defer cancel()
	ended, err := o.sessions.EndAll(session.By(ctx, act.By), ids, session.ByOperator)
	act.Ended = ended
	if err != nil {
		return unfinished(err, ended)
	}
	return nil
}

// unfinished is the answer to an act that failed and had ended so many sessions by then.
func unfinished(err error, ended int) error {
	p := problemOf(err)
	p.Ended = &ended
	return p
}

// find walks the live sessions that a filter chooses: by the index where it names a
// subject or a provider session, else all there are.
func (o *operators) find(ctx context.Context, f *filter) iter.Seq2[session.Summary, error] {
	return func(yield func(session.Summary, error) bool) {
		now := o.now()
		for s, err := range o.candidates(ctx, f) {
			if err != nil {
				yield(s, err)
				return
			}
			if info := infoOf(s); f.chooses(&info, now) && !yield(s, nil) {
				return
			}
		}
	}
}

func (o *operators) candidates(ctx context.Context, f *filter) iter.Seq2[session.Summary, error] {
	if !f.narrow() {
		return o.sessions.Live(ctx)
	}
	issuers := o.issuers
	if f.issuer != "" {
		issuers = []string{f.issuer}
	}
	return func(yield func(session.Summary, error) bool) {
		for _, issuer := range issuers {
			found, err := o.ofPerson(ctx, issuer, f)
			if err != nil {
				yield(session.Summary{}, err)
				return
			}
			for _, s := range found {
				if !yield(s.Summary(), nil) {
					return
				}
			}
		}
	}
}

// ofPerson returns the sessions of the filter's provider session, or else of its subject;
// the filter has to look at the rest.
func (o *operators) ofPerson(ctx context.Context, issuer string, f *filter) ([]*session.Session, error) {
	if f.providerSession != "" {
		return o.sessions.OfProviderSession(ctx, issuer, f.providerSession)
	}
	return o.sessions.OfSubject(ctx, issuer, f.subject)
}
