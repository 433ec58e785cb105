package stage

import (
	"os"
	"path/filepath"
)

// writeFiles makes the single-page app that gateways serve.
func (st *Stage) writeFiles() error {
	st.Files = filepath.Join(st.Dir, "dist")
	for name, body := range map[string][]byte{
		"index.html":             []byte("<!doctype html><script type=module src=/assets/app-3f9ac1d2.js></script>"),
		"assets/app-3f9ac1d2.js": append([]byte("export default "), document(10*KiB)...),
	} {
		path := filepath.Join(st.Files, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // Files that everybody gets.
			return err
		}
		if err := os.WriteFile(path, body, 0o644); err != nil { //nolint:gosec // As above.
			return err
		}
	}
	return nil
}
