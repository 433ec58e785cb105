package handover

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"time"
)

// Predecessor is the process whose place this one takes. Its methods are called one after the
// other.
type Predecessor struct {
	talk  net.Conn
	in    *json.Decoder
	store net.Conn
}

func newPredecessor(talk, store net.Conn) *Predecessor {
	return &Predecessor{talk: talk, in: json.NewDecoder(talk), store: store}
}

// TakeStore asks for the store file at a path. Once it is given, the predecessor has closed it
// and holds every call up until Opened: open it at once. It is not given if the predecessor
// has another store; then there is no Opened.
func (p *Predecessor) TakeStore(path string) (given bool, err error) {
	if err := p.say(message{Word: wantStore, Path: path}); err != nil {
		return false, err
	}
	_ = p.talk.SetReadDeadline(time.Now().Add(readyWithin)) // a socket takes deadlines
	var answer message
	if err := p.in.Decode(&answer); err != nil {
		return false, fmt.Errorf("handover: the process to be replaced does not answer: %w", err)
	}
	return answer.Word == storeGiven, nil
}

// Opened says that the file is open, and returns the connection on which the predecessor
// expects to be lent the store.
func (p *Predecessor) Opened() (net.Conn, error) { return p.store, p.say(message{Word: storeOpen}) }

// Ready says that this process serves: the predecessor may go.
func (p *Predecessor) Ready() error { return p.say(message{Word: ready}) }

func (p *Predecessor) say(m message) error {
	if err := json.NewEncoder(p.talk).Encode(m); err != nil {
		return fmt.Errorf("handover: the process to be replaced cannot be told %q: %w", m.Word, err)
	}
	return nil
}

// Wait returns nil when the predecessor has ended, or ctx's error.
func (p *Predecessor) Wait(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { _ = p.talk.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	_ = p.talk.SetReadDeadline(time.Time{})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var nothing message
	_ = p.in.Decode(&nothing) // it says nothing more
	return ctx.Err()
}

// Close lets go of the predecessor.
func (p *Predecessor) Close() {
	_ = p.talk.Close()
	_ = p.store.Close()
}
