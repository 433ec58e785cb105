package session

import (
	"container/list"
	"context"
	"errors"
	"sync"
	"time"
)

// errNotNow says that a refresh that nobody waits for has to stand back.
var errNotNow = errors.New("session: others need the provider more urgently")

// budget is how many refresh tokens may be presented to the provider in a second, by all
// sessions of this process together. Who has no access token that holds waits in line;
// who only wants a newer one in good time does not, and comes again later. The line is
// fair between subjects: one user's hundred sessions do not stand before another's one. It is
// no longer than what can be served in time: whoever comes then is told at once when to come
// again, and ties up nothing until then.
type budget struct {
	every time.Duration // between two presentations; a constant
	most  int           // how many may come at once after a pause; a constant
	now   func() time.Time

	mu      sync.Mutex
	spent   int                      // guarded by mu: of most
	counted time.Time                // guarded by mu: when spent was right
	line    *list.List               // guarded by mu: of *queue, whose turn it is first
	queues  map[string]*list.Element // guarded by mu: by subject
	timer   *time.Timer              // guarded by mu: nil unless somebody waits
	counts  BudgetCounts             // guarded by mu
}

// queue is one subject's place in the line.
type queue struct {
	subject string
	waiting []chan struct{} // closed when it is one's turn
}

// newBudget allows perSecond presentations, and as many at once after a second of pause.
// Zero means no limit.
func newBudget(perSecond float64, now func() time.Time) *budget {
	if perSecond <= 0 {
		return nil
	}
	return &budget{
		every: time.Duration(float64(time.Second) / perSecond), most: max(1, int(perSecond)), now: now,
		line: list.New(), queues: make(map[string]*list.Element),
	}
}

// take returns nil when a refresh token of the subject may be presented. One that is not
// urgent is told at once that it may not.
func (b *budget) take(ctx context.Context, subject string, urgent bool) error {
	if b == nil {
		return nil
	}
	b.mu.Lock()
	if b.line.Len() == 0 && b.spend() {
		b.counts.AtOnce++
		b.mu.Unlock()
		return nil
	}
	if !urgent {
		b.counts.StoodBack++
		b.mu.Unlock()
		return errNotNow
	}
	if late, wait := b.late(ctx, subject); late {
		b.counts.GaveUp++
		b.mu.Unlock()
		return &RefreshError{Class: Transient, RetryAfter: wait, Err: errLongLine}
	}
	turn := b.enqueue(subject)
	b.mu.Unlock()
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
		b.leave(subject, turn)
		return &RefreshError{Class: Transient, RetryAfter: b.every, Err: ctx.Err()}
	}
}

// count returns what became of those who came.
func (b *budget) count() BudgetCounts {
	if b == nil {
		return BudgetCounts{}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.counts
}

// rested reports whether nobody waits, and all may be taken at once again.
func (b *budget) rested() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.line.Len() == 0 && b.now().Sub(b.counted) >= time.Duration(b.spent)*b.every
}

// free reports whether whoever came now would not have to wait. It takes nothing.
func (b *budget) free() bool {
	if b == nil {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.line.Len() == 0 && b.spent-int(b.now().Sub(b.counted)/b.every) < b.most
}

// spend takes one presentation if there is one. The caller holds mu.
func (b *budget) spend() bool {
	now := b.now()
	if earned := int(now.Sub(b.counted) / b.every); earned > 0 {
		b.spent = max(0, b.spent-earned)
		b.counted = b.counted.Add(time.Duration(earned) * b.every)
		if b.spent == 0 {
			b.counted = now
		}
	}
	if b.spent >= b.most {
		return false
	}
	b.spent++
	return true
}

// errLongLine says that a turn would not come in time.
var errLongLine = errors.New("more sessions wait for the provider than it may be asked for in time")

// late reports whether the subject's next turn comes after ctx has ended, and when it comes.
// The caller holds mu.
func (b *budget) late(ctx context.Context, subject string) (late bool, wait time.Duration) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return false, 0
	}
	mine := 1
	if e := b.queues[subject]; e != nil {
		mine += len(e.Value.(*queue).waiting)
	}
	// Of each other subject as many go first as of this one, if they have so many.
	ahead := min(mine*b.line.Len(), b.counts.InLine)
	wait = time.Duration(ahead+1) * b.every
	return wait >= time.Until(deadline), wait
}

// enqueue stands in line. The caller holds mu.
func (b *budget) enqueue(subject string) chan struct{} {
	turn := make(chan struct{})
	e := b.queues[subject]
	if e == nil {
		e = b.line.PushBack(&queue{subject: subject})
		b.queues[subject] = e
	}
	q := e.Value.(*queue)
	q.waiting = append(q.waiting, turn)
	b.counts.InLine++
	if b.timer == nil {
		b.timer = time.AfterFunc(b.every, b.serve)
	}
	return turn
}

// serve calls whose turn it is, one of each subject in turn.
func (b *budget) serve() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.line.Len() > 0 && b.spend() {
		e := b.line.Front()
		q := e.Value.(*queue)
		close(q.waiting[0])
		b.counts.InLine--
		b.counts.Waited++
		if q.waiting = q.waiting[1:]; len(q.waiting) == 0 {
			b.remove(e)
			continue
		}
		b.line.MoveToBack(e)
	}
	if b.timer = nil; b.line.Len() > 0 {
		b.timer = time.AfterFunc(b.every, b.serve)
	}
}

// leave steps out of the line.
func (b *budget) leave(subject string, turn chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.queues[subject]
	if e == nil {
		return
	}
	q := e.Value.(*queue)
	for i, w := range q.waiting {
		if w == turn {
			q.waiting = append(q.waiting[:i:i], q.waiting[i+1:]...)
			b.counts.InLine--
			b.counts.GaveUp++
			break
		}
	}
	if len(q.waiting) == 0 {
		b.remove(e)
	}
}

// remove takes a subject out of the line. The caller holds mu.
func (b *budget) remove(e *list.Element) {
	delete(b.queues, b.line.Remove(e).(*queue).subject)
}
