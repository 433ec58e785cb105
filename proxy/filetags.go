package proxy

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"sync"
	"time"
)

// tags remembers the entity tags of files, so that each is read for it once. It is safe for
// concurrent use; the zero value is ready.
type tags struct {
	mu    sync.Mutex
	known map[string]tagged // guarded by mu; by name
}

type tagged struct {
	content content
	tag     string
}

const (
	// mostTags bounds what is remembered; an application has fewer files.
	mostTags = 4096
	// settled is how long a file has to be as it is before its tag is kept. Until then another
	// change could look the same.
	settled = 2 * time.Second
)

// of returns the entity tag of a file (RFC 9110 §8.8.3).
func (t *tags) of(file io.ReadSeeker, info fs.FileInfo, name string) (string, error) {
	now, known := contentOf(info)
	if known {
		t.mu.Lock()
		last, there := t.known[name]
		t.mu.Unlock()
		if there && last.content == now {
			return last.tag, nil
		}
	}
	tag, err := etag(file, info)
	if err == nil && known && time.Since(now.changed) > settled {
		t.keep(name, tagged{now, tag})
	}
	return tag, err
}

func (t *tags) keep(name string, tag tagged) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.known == nil || len(t.known) >= mostTags {
		t.known = map[string]tagged{}
	}
	t.known[name] = tag
}

// content is what a file's bytes are known by, as long as nobody turns the clock back: a new
// file in its place has another inode, and whoever writes to it changes the time of that.
type content struct {
	device, inode uint64
	size          int64
	changed       time.Time // not the time that an archive can set
}

// smallFile is up to where a file's own bytes make its entity tag. Images are built with
// all times set to one moment, and an index.html that names another script is often as
// long as the one before.
const smallFile = 256 << 10

func etag(file io.ReadSeeker, info fs.FileInfo) (string, error) {
	if info.Size() > smallFile {
		return `"` + strconv.FormatInt(info.Size(), 36) + "-" + strconv.FormatInt(info.ModTime().UnixNano(), 36) + `"`, nil
	}
	hash := sha256.New()
	if _, err := io.Copy(hash, file); err != nil {
		return "", fmt.Errorf("proxy: read file: %w", err)
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return "", fmt.Errorf("proxy: read file: %w", err)
	}
	return `"` + base64.RawURLEncoding.EncodeToString(hash.Sum(nil)[:12]) + `"`, nil
}
