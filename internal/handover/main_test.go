package handover

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

// play names, in the environment, what the test binary does in the place of tests: it is its
// own successor.
const play = "PLAY_SUCCESSOR"

func TestMain(m *testing.M) {
	if part := os.Getenv(play); part != "" {
		if err := successor(part); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// successor is a new process: it takes the listener and the store, and serves its word until
// its predecessor is gone.
func successor(part string) error {
	ctx, stop := context.WithTimeout(context.Background(), 20*time.Second)
	defer stop()
	in, err := Inherit(os.Environ())
	if err != nil {
		return err
	}
	before := in.Predecessor
	if part == "fails at once" {
		return fmt.Errorf("no")
	}
	l, err := in.Listen(ctx, os.Getenv("ADDRESS"))
	if err != nil {
		return err
	}
	given, err := before.TakeStore("/the/file")
	if err != nil {
		return err
	}
	switch part {
	case "fails with the store":
		return fmt.Errorf("no")
	case "speaks out of turn":
		_ = json.NewEncoder(before.talk).Encode(message{Word: "moo"})
		return before.Wait(ctx)
	}
	if given {
		conn, err := before.Opened()
		if err != nil {
			return err
		}
		if _, err := io.WriteString(conn, "lent"); err != nil {
			return err
		}
	}
	if part == "fails after that" {
		return fmt.Errorf("no")
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, "new")
			_ = c.Close()
		}
	}()
	if err := before.Ready(); err != nil {
		return err
	}
	return before.Wait(ctx)
}

// estate records what becomes of it.
type estate struct {
	t    *testing.T
	told []string
	conn net.Conn
}

func (e *estate) Give(path string) (bool, error) {
	e.told = append(e.told, "give "+path)
	return true, nil
}

func (e *estate) Borrow(conn net.Conn) {
	e.told, e.conn = append(e.told, "borrow"), conn
	e.t.Cleanup(func() { _ = conn.Close() })
}

func (e *estate) TakeBack() error {
	e.told = append(e.told, "take back")
	return nil
}
