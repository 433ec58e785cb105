package proxy

import (
	"bytes"
	"compress/gzip"
	"embed"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

//go:embed web/cloakroom.js web/cloakroom.d.ts
var module embed.FS

// moduleFile is a file of the browser's helper, as it is and compressed. The helper is an
// ES module that finds the gateway by its own address, so it says the same to everybody.
type moduleFile struct {
	kind         string
	plain, small []byte
}

// moduleEndpoints are the helper and its types, each below the base path.
func moduleEndpoints() (map[string]map[string]endpoint, error) {
	all := make(map[string]map[string]endpoint)
	for name, kind := range map[string]string{
		"cloakroom.js":   "text/javascript; charset=utf-8",
		"cloakroom.d.ts": "application/typescript; charset=utf-8",
	} {
		f, err := newModuleFile(name, kind)
		if err != nil {
			return nil, err
		}
		all["/"+name] = map[string]endpoint{http.MethodGet: f.serve, http.MethodHead: f.serve}
	}
	return all, nil
}

// newModuleFile reads an embedded file.
func newModuleFile(name, kind string) (*moduleFile, error) {
	plain, err := module.ReadFile("web/" + name)
	if err != nil {
		return nil, fmt.Errorf("proxy: browser helper: %w", err)
	}
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err == nil {
		if _, err = z.Write(plain); err == nil {
			err = z.Close()
		}
	}
	if err != nil {
		return nil, fmt.Errorf("proxy: browser helper: %w", err)
	}
	return &moduleFile{kind, plain, b.Bytes()}, nil
}

// serve answers GET and HEAD, with or without a session: nothing in the file is anybody's.
func (f *moduleFile) serve(w http.ResponseWriter, r *http.Request) error {
	h := w.Header()
	h.Set("Content-Type", f.kind)
	h.Set("Vary", "Accept-Encoding")
	content := f.plain
	if acceptsGzip(r.Header["Accept-Encoding"]) {
		h.Set("Content-Encoding", "gzip")
		content = f.small
	}
	h.Set("Content-Length", strconv.Itoa(len(content)))
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return nil
	}
	if _, err := w.Write(content); err != nil {
		return fmt.Errorf("proxy: write browser helper: %w", err)
	}
	return nil
}

// acceptsGzip reports whether an Accept-Encoding header (RFC 9110 §12.5.3) names gzip
// without refusing it.
func acceptsGzip(lines []string) bool {
	for _, line := range lines {
		for item := range strings.SplitSeq(line, ",") {
			coding, weight, _ := strings.Cut(item, ";")
			if strings.EqualFold(strings.TrimSpace(coding), "gzip") {
				_, refused := strings.CutPrefix(strings.TrimSpace(weight), "q=0")
				return !refused || strings.Trim(weight, " q=0.") != ""
			}
		}
	}
	return false
}
