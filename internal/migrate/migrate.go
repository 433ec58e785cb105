// Package migrate reads the configurations of other products and writes config.yaml.
//
//	oauth2-proxy: flags, .cfg, alpha YAML, environment ─┐
//	Duende BFF: appsettings.json, YARP ─────────────────┼─▶ settings ─▶ draft ─▶ config.yaml
//	mod_auth_openidc: Apache's directives ──────────────┘       └─────▶ remarks
//
// Two rules hold for all of them. Nothing is dropped in silence: each setting has a remark
// that says what became of it, and so has each that is not known. And what cannot be said
// in config.yaml never opens a door: a route whose guard could not be carried lets nobody
// in until somebody has decided who may.
//
// A secret is never repeated. It becomes ${env:NAME}, with a remark that says where its
// value stands. No function here reads a file, the environment or the network.
//
//	result, err := migrate.OAuth2Proxy(migrate.Input{Documents: docs})
//	result.Config  // for cloakroom check, once the remarks of kind todo are done
//	result.Remarks // what to know, by kind
package migrate

import (
	"errors"
	"fmt"
)

// Document is a text that configures another product.
type Document struct {
	Name string // of the file: remarks name it, and its ending says what it holds
	Text string
}

// Input is what configures another product. Where two parts set the same, arguments go
// before the environment, and that before documents.
type Input struct {
	Documents []Document
	Args      []string // of a command line, without the program's name
	Environ   []string // lines of NAME=value; others than the product's own are passed over
}

// Result is what became of an [Input].
type Result struct {
	Config  []byte   // YAML
	Remarks []Remark // by kind, in the order of [Kinds]
}

// ErrNothing says that the input has no setting of the product.
var ErrNothing = errors.New("migrate: there is no setting of this product in it")

// maxText bounds a document, as the configuration itself is bounded.
const maxText = 1 << 20

// fault is what is wrong with a document. It never repeats what stands there, since that
// can be a secret.
type fault struct {
	name string
	line int
	what string
}

func (f *fault) Error() string { return fmt.Sprintf("%s:%d: %s", f.name, f.line, f.what) }

// checkSize refuses what no configuration is.
func checkSize(docs []Document) error {
	for _, d := range docs {
		if len(d.Text) > maxText {
			return &fault{d.Name, 1, "is larger than 1 MiB: name the configuration alone"}
		}
	}
	return nil
}
