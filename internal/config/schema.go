package config

import (
	"bytes"
	"encoding/json"
)

// Schema returns the JSON Schema (draft 2020-12) of the file, for editors: what the
// description of the keys says, and so less than [Load] checks.
func Schema() []byte {
	s := group(new(Config).keys()).schema()
	s["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	s["title"] = "Cloakroom's config.yaml"
	s["$defs"] = object{"reference": object{
		"type":        "string",
		"pattern":     `\$\{(env|file):[^}]+\}`,
		"description": "An environment variable or a file's content.",
	}}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	// Maps, lists and strings cannot fail to encode.
	if err := e.Encode(s); err != nil {
		panic("config: the schema cannot be encoded: " + err.Error())
	}
	return out.Bytes()
}
