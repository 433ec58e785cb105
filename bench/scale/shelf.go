package scale

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/cloakroom-bff/cloakroom/bench/stage"
	"github.com/cloakroom-bff/cloakroom/session"
	"github.com/cloakroom-bff/cloakroom/session/boltstore"
	"github.com/cloakroom-bff/cloakroom/session/redisstore"
)

// shelf is where sessions are kept while they become more.
type shelf interface {
	name() string                            // as in session.store
	fill(run func(store string) error) error // by run, which is told where
	open() (store, error)
	size(ctx context.Context) (int64, error)     // bytes
	rewrite(ctx context.Context, p *Point) error // nothing where there is nothing to write anew
	close()
}

// store is a shelf that this process has open.
type store interface {
	session.Counted
	Close() error
}

func newShelf(ctx context.Context, st *stage.Stage, name string) (shelf, error) {
	switch name {
	case "bbolt":
		return boltShelf{filepath.Join(st.Dir, "scale.db")}, nil
	case "redis":
		r, err := st.Redis(ctx)
		if err != nil {
			return nil, err
		}
		return redisShelf{r.URL, func() { st.StopRedis(r) }}, nil
	}
	return nil, fmt.Errorf("-stores has %q: write bbolt or redis", name)
}

type boltShelf struct{ path string }

func (b boltShelf) name() string         { return "bolt:" + b.path }
func (b boltShelf) open() (store, error) { return boltstore.Open(b.path, boltstore.Options{}) }
func (b boltShelf) close()               { _ = os.Remove(b.path) } // the directory goes, too

// fill has the file grow in memory: half a million syncs to a disk would take a quarter of an hour.
func (b boltShelf) fill(run func(store string) error) (err error) {
	dir, err := os.MkdirTemp("/dev/shm", "cloakroom-bench")
	if err != nil {
		return run(b.name()) // a system without it
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	quick := filepath.Join(dir, filepath.Base(b.path))
	if err := copyFile(quick, b.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := run("bolt:" + quick); err != nil {
		return err
	}
	return copyFile(b.path, quick)
}

// copyFile copies from into to, durably.
func copyFile(to, from string) (err error) {
	r, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	w, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, r)
	return errors.Join(err, w.Sync(), w.Close())
}

func (b boltShelf) size(context.Context) (int64, error) {
	info, err := os.Stat(b.path)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func (b boltShelf) rewrite(ctx context.Context, p *Point) error {
	began := time.Now()
	_, after, err := boltstore.Compact(ctx, b.path, boltstore.Rewriting{Now: time.Now})
	p.Compact, p.Compacted = time.Since(began).Seconds(), after.Bytes
	return err
}

type redisShelf struct {
	url  string
	stop func()
}

func (r redisShelf) name() string                          { return r.url }
func (r redisShelf) fill(run func(string) error) error     { return run(r.url) }
func (r redisShelf) open() (store, error)                  { return redisstore.Open(r.url, redisstore.Options{}) }
func (r redisShelf) rewrite(context.Context, *Point) error { return nil }
func (r redisShelf) close()                                { r.stop() }

func (r redisShelf) size(ctx context.Context) (used int64, err error) {
	s, err := redisstore.Open(r.url, redisstore.Options{})
	if err != nil {
		return 0, err
	}
	servers, err := s.Survey(ctx)
	for _, server := range servers {
		used += server.Used
	}
	return used, errors.Join(err, s.Close())
}
