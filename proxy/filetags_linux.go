package proxy

import (
	"io/fs"
	"syscall"
	"time"
)

// contentOf is false if the file system does not say.
func contentOf(info fs.FileInfo) (content, bool) {
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return content{}, false
	}
	return content{uint64(s.Dev), s.Ino, s.Size, time.Unix(s.Ctim.Unix())}, true //nolint:unconvert // the type differs between processors
}
