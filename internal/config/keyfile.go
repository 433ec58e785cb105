package config

import (
	"strings"

	"github.com/cloakroom-bff/cloakroom/internal/clientkey"
)

// keyFile is the path of a file with the client's keys, which are read. Two of them differ if
// what stands in the file does: so a reload sees that keys were rotated.
type keyFile struct {
	filePath
	keys **clientkey.Set
}

func (f keyFile) read(r *reader, path string, n *node) {
	before := len(r.problems)
	f.filePath.read(r, path, n)
	if len(r.problems) > before || *f.to == "" {
		return
	}
	data, err := readFile(*f.to, maxReferenced)
	if err != nil {
		r.problem(path, "the file cannot be read (%v): write the path of a file that is there; a relative one begins at the configuration's directory", err)
		return
	}
	if *f.keys, err = clientkey.Parse(data); err != nil {
		r.problem(path, "the file cannot be used: %s", strings.TrimPrefix(err.Error(), "clientkey: "))
	}
}

func (f keyFile) value() any { return [2]string{*f.to, (*f.keys).Digest()} }
