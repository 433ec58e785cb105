package storetest

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

// flaw is what is wrong with a memory store.
type flaw string

const (
	sound                 flaw = ""
	createOverwrites      flaw = "Create overwrites"
	createRacesItself     flaw = "Create looks first and writes later"
	createKeepsVersion    flaw = "Create keeps the caller's version"
	createRefusesExpired  flaw = "Create finds expired records in its way"
	replaceUpserts        flaw = "Replace creates what is missing"
	replaceIgnoresVersion flaw = "Replace ignores the version"
	replaceRacesItself    flaw = "Replace looks first and writes later"
	replaceKeepsVersion   flaw = "Replace leaves the version"
	replaceRevives        flaw = "Replace brings back what has expired"
	replaceKeepsOldIndex  flaw = "Replace leaves the old keys"
	replaceKeepsDue       flaw = "Replace leaves the due time"
	replaceKeepsExpires   flaw = "Replace leaves the end"
	replaceMovesFirst     flaw = "Replace moves the index before it looks at the version"
	replaceIsLate         flaw = "Replace returns before it has written"
	deleteIgnoresVersion  flaw = "Delete ignores the version"
	deleteOfNothing       flaw = "Delete of nothing succeeds"
	deleteDoesNothing     flaw = "Delete does nothing"
	deleteKeepsIndex      flaw = "Delete leaves the index"
	deleteTakesNeighbour  flaw = "Delete takes a neighbour with it"
	deleteBlocksID        flaw = "a deleted id can never be used again"
	loadOfNothing         flaw = "Load of nothing is an empty record"
	loadShowsExpired      flaw = "Load shows what has expired"
	findShowsExpired      flaw = "Find shows what has expired"
	findRepeats           flaw = "Find repeats a record with a repeated key"
	findByPrefix          flaw = "Find compares one byte of the key"
	findFailsOnNothing    flaw = "Find of nothing is an error"
	dueShowsExpired       flaw = "Due shows what has expired"
	dueShowsNever         flaw = "Due shows records that are never due"
	dueUnordered          flaw = "Due is in no order"
	dueUnlimited          flaw = "Due ignores the limit"
	dueCountsExpired      flaw = "Due counts expired records against the limit"
	dueStopsShort         flaw = "Due leaves out the moment itself"
	dueOnePerMoment       flaw = "Due keeps one record for each moment"
	dueEnds               flaw = "the due time ends a record"
	scanShowsExpired      flaw = "Scan shows what has expired"
	scanShowsNever        flaw = "Scan shows records that are never due"
	scanByDue             flaw = "Scan walks by due time, which writes move"
	scanRepeats           flaw = "Scan sees a record twice that is due already"
	scanEndsEarly         flaw = "Scan ends after its first part"
	scanFailsOnNothing    flaw = "Scan of nothing is an error"
	countsNever           flaw = "Count counts records that are never due"
	scanIgnoresLeaving    flaw = "Scan goes on for a caller who has left"
	scanIgnoresStop       flaw = "Scan goes on for a caller who has seen enough"
	aliasesIn             flaw = "the store keeps the caller's slices"
	aliasesOut            flaw = "the store returns its own slices"
	cutsData              flaw = "data beyond 64 KiB is cut off"
	cutsTimes             flaw = "times are kept to the second"
	ignoresContext        flaw = "an ended context is ignored"
	acceptsAnything       flaw = "records without id or end are accepted"
	refusesStillborn      flaw = "records that have expired already are refused"
	halfWrites            flaw = "a caller that leaves stops a write half-way"
)

// memory is a store that is right, but for its flaw.
type memory struct {
	flaw flaw
	now  func() time.Time

	mu      sync.Mutex // guards what follows
	records map[session.ID]session.Record
	stale   map[session.Key][]session.ID // index entries left behind
	dead    map[session.ID]bool
	late    sync.WaitGroup
}

var errRefused = errors.New("refused")

func newMemory(f flaw, now func() time.Time) *memory {
	return &memory{
		flaw: f, now: now,
		records: map[session.ID]session.Record{}, stale: map[session.Key][]session.ID{}, dead: map[session.ID]bool{},
	}
}

func (m *memory) has(f flaw) bool { return m.flaw == f }

func (m *memory) expired(r session.Record) bool {
	return !m.now().Before(r.Expires) || m.has(dueEnds) && !r.Due.IsZero() && m.now().After(r.Due)
}

func (m *memory) ended(ctx context.Context) error {
	if m.has(ignoresContext) {
		return nil
	}
	return ctx.Err()
}

// in is what the store keeps of a record that it is given.
func (m *memory) in(r session.Record) session.Record {
	if !m.has(aliasesIn) {
		r = clone(r)
	}
	if m.has(cutsData) && len(r.Data) > 64<<10 {
		r.Data = r.Data[:64<<10]
	}
	if m.has(cutsTimes) {
		r.Expires = r.Expires.Truncate(time.Second)
	}
	return r
}

func (m *memory) out(r session.Record) session.Record {
	if m.has(aliasesOut) {
		return r
	}
	return clone(r)
}

func (m *memory) valid(r session.Record) error {
	switch {
	case m.has(acceptsAnything):
		return nil
	case r.ID.IsZero() || r.Expires.IsZero(), m.has(refusesStillborn) && m.expired(r):
		return errRefused
	}
	return nil
}

// gap is where a store without a lock loses: the sleep is the flaw, nobody waits for it.
func (m *memory) gap() {
	m.mu.Unlock()
	runtime.Gosched()
	time.Sleep(time.Millisecond)
	m.mu.Lock()
}

func (m *memory) Create(ctx context.Context, r session.Record) error {
	if err := errors.Join(m.ended(ctx), m.valid(r)); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	old, ok := m.records[r.ID]
	switch {
	case m.has(deleteBlocksID) && m.dead[r.ID]:
		return session.ErrExists
	case ok && (!m.expired(old) || m.has(createRefusesExpired)) && !m.has(createOverwrites):
		return session.ErrExists
	}
	if m.has(createRacesItself) {
		m.gap()
	}
	if !m.has(createKeepsVersion) {
		r.Version = 1
	}
	m.records[r.ID] = m.in(r)
	return nil
}

func (m *memory) Load(ctx context.Context, id session.ID) (session.Record, error) {
	if err := m.ended(ctx); err != nil {
		return session.Record{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	r, ok := m.records[id]
	if m.has(loadOfNothing) && !ok {
		return session.Record{}, nil
	}
	if !ok || m.expired(r) && !m.has(loadShowsExpired) {
		return session.Record{}, session.ErrNotFound
	}
	return m.out(r), nil
}

func (m *memory) Replace(ctx context.Context, r session.Record) error {
	if err := errors.Join(m.ended(ctx), m.valid(r)); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	old, ok := m.records[r.ID]
	if m.has(replaceMovesFirst) && ok {
		old.Index = clone(r).Index
		m.records[r.ID] = old
	}
	switch {
	case !ok && m.has(replaceUpserts), ok && m.expired(old) && m.has(replaceRevives):
	case !ok || m.expired(old):
		return session.ErrNotFound
	case old.Version != r.Version && !m.has(replaceIgnoresVersion):
		return session.ErrConflict
	}
	if m.has(replaceRacesItself) {
		m.gap()
	}
	return m.put(ctx, old, r)
}

// put is the second half of Replace.
func (m *memory) put(ctx context.Context, old, r session.Record) error {
	if !m.has(replaceKeepsVersion) {
		r.Version++
	}
	r = m.in(r)
	switch m.flaw {
	case replaceKeepsOldIndex:
		for _, key := range old.Index {
			m.stale[key] = append(m.stale[key], r.ID)
		}
	case replaceKeepsDue:
		r.Due = old.Due
	case replaceKeepsExpires:
		r.Expires = old.Expires
	case halfWrites:
		if _, leaving := ctx.Deadline(); leaving {
			old.Data = r.Data
			m.records[r.ID] = old
			return context.DeadlineExceeded
		}
	case replaceIsLate:
		m.late.Go(func() {
			time.Sleep(time.Millisecond)
			m.mu.Lock()
			defer m.mu.Unlock()
			m.records[r.ID] = r
		})
		return nil
	}
	m.records[r.ID] = r
	return nil
}

func (m *memory) Delete(ctx context.Context, id session.ID, version uint64) error {
	if err := m.ended(ctx); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	old, ok := m.records[id]
	switch {
	case (!ok || m.expired(old)) && m.has(deleteOfNothing), m.has(deleteDoesNothing):
		return nil
	case !ok || m.expired(old):
		return session.ErrNotFound
	case old.Version != version && !m.has(deleteIgnoresVersion):
		return session.ErrConflict
	}
	if m.has(deleteKeepsIndex) {
		for _, key := range old.Index {
			m.stale[key] = append(m.stale[key], id)
		}
	}
	if m.has(deleteTakesNeighbour) {
		for other := range m.records {
			if bytes.HasPrefix(other[:], id[:8]) {
				delete(m.records, other)
			}
		}
	}
	m.dead[id] = true
	delete(m.records, id)
	return nil
}

func (m *memory) Find(ctx context.Context, key session.Key) ([]session.Record, error) {
	if err := m.ended(ctx); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var found []session.Record
	for _, r := range m.records {
		if m.expired(r) && !m.has(findShowsExpired) {
			continue
		}
		for _, k := range r.Index {
			if k == key || m.has(findByPrefix) && k[0] == key[0] {
				found = append(found, m.out(r))
				if !m.has(findRepeats) {
					break
				}
			}
		}
	}
	for _, id := range m.stale[key] {
		found = append(found, session.Record{ID: id})
	}
	if len(found) == 0 && m.has(findFailsOnNothing) {
		return nil, session.ErrNotFound
	}
	return found, nil
}

func (m *memory) Due(ctx context.Context, before time.Time, limit int) ([]session.Record, error) {
	if err := m.ended(ctx); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var due []session.Record
	for _, r := range m.records {
		switch {
		case r.Due.IsZero() && !m.has(dueShowsNever), r.Due.After(before), m.has(dueStopsShort) && r.Due.Equal(before):
		case m.expired(r) && !m.has(dueShowsExpired) && !m.has(dueCountsExpired):
		default:
			due = append(due, m.out(r))
		}
	}
	if !m.has(dueUnordered) {
		slices.SortFunc(due, func(a, b session.Record) int { return a.Due.Compare(b.Due) })
	}
	if m.has(dueOnePerMoment) {
		due = slices.CompactFunc(due, func(a, b session.Record) bool { return a.Due.Equal(b.Due) })
	}
	if !m.has(dueUnlimited) {
		due = due[:max(0, min(limit, len(due)))]
	}
	if m.has(dueCountsExpired) {
		due = slices.DeleteFunc(due, m.expired)
	}
	return due, nil
}

func (m *memory) Scan(ctx context.Context) iter.Seq2[session.Record, error] {
	return func(yield func(session.Record, error) bool) {
		all := m.part(time.Time{})
		if len(all) == 0 && m.has(scanFailsOnNothing) {
			yield(session.Record{}, session.ErrNotFound)
			return
		}
		if m.has(scanRepeats) {
			all = append(all, all[:len(all)/2]...)
		}
		for i := 0; i < len(all); i++ {
			r := all[i]
			if err := m.ended(ctx); err != nil && !m.has(scanIgnoresLeaving) {
				yield(session.Record{}, err)
				return
			}
			if !yield(r, nil) && !m.has(scanIgnoresStop) {
				return
			}
			switch {
			case i%100 != 99:
			case m.has(scanEndsEarly):
				return
			case m.has(scanByDue):
				all = append(all[:i+1:i+1], m.part(r.Due)...)
			}
		}
	}
}

func (m *memory) Count(ctx context.Context) (int, error) {
	if err := m.ended(ctx); err != nil {
		return 0, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	n := 0
	for _, r := range m.records {
		if !r.Due.IsZero() || m.has(countsNever) {
			n++
		}
	}
	return n, nil
}

// part is what there is for a walk after a due time, in that order.
func (m *memory) part(after time.Time) []session.Record {
	m.mu.Lock()
	defer m.mu.Unlock()
	var part []session.Record
	for _, r := range m.records {
		switch {
		case r.Due.IsZero() && !m.has(scanShowsNever):
		case m.expired(r) && !m.has(scanShowsExpired):
		case after.IsZero() || r.Due.After(after):
			part = append(part, m.out(r))
		}
	}
	slices.SortFunc(part, func(a, b session.Record) int { return a.Due.Compare(b.Due) })
	return part
}
