package config

import (
	"crypto/sha256"
	"fmt"
	"hash"
	"path/filepath"
	"regexp"
	"strings"
)

// Fingerprint tells two moments apart between which the configuration has changed: the file,
// a file that it names as ${file:PATH}, or one of these others; an empty name is none. It looks at contents, not at times and inodes: a
// mounted ConfigMap changes by a link that is put in the place of another. What cannot be read
// has a fingerprint, too.
func Fingerprint(path string, environ []string, others ...string) [sha256.Size]byte {
	sum := sha256.New()
	texts := []string{absorb(sum, path, maxFile)}
	for _, variable := range environ {
		if strings.HasPrefix(variable, prefix) {
			texts = append(texts, variable)
		}
	}
	r := &reader{dir: filepath.Dir(path)}
	for _, reference := range regexp.MustCompile(`\$\{file:([^}\n]+)\}`).FindAllStringSubmatch(strings.Join(texts, "\n"), -1) {
		absorb(sum, r.path(reference[1]), maxReferenced)
	}
	for _, name := range others {
		if name != "" {
			absorb(sum, name, maxReferenced)
		}
	}
	return [sha256.Size]byte(sum.Sum(nil))
}

// absorb adds a file's name and content to a sum, and returns the content.
func absorb(sum hash.Hash, name string, limit int64) string {
	data, err := readFile(name, limit)
	if err != nil {
		data = []byte(err.Error())
	}
	_, _ = fmt.Fprintf(sum, "%d:%s%d:%s", len(name), name, len(data), data) // a hash takes everything
	return string(data)
}
