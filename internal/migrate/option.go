package migrate

import "strings"

// An option is what a product can be told, and what becomes of it here. The tables of
// options are all that is known of a product; the reference prints them.
type option struct {
	name string
	kind Kind   // Carried, Changed, Needless or Lost
	to   string // keys of config.yaml, for what is carried or changed
	why  string
	// idle is a value at which a lost option does nothing, besides false, off, 0, none and nothing.
	idle string
	// list says that commas divide the value; flag that a command line need not give one.
	list, flag bool
}

// setting is an option that was set.
type setting struct {
	name   string
	at     string
	values []string
	env    string // the variable that held it, if one did
	absent bool   // it is set to something that does not stand in the input
}

// text is the value of a setting that has one.
func (s *setting) text() string {
	if s == nil || len(s.values) == 0 {
		return ""
	}
	return s.values[0]
}

// truth reads a truth value, as Go and Apache write it.
func (s *setting) truth() bool {
	switch strings.ToLower(s.text()) {
	case "true", "1", "t", "on", "yes":
		return true
	}
	return false
}

// idles reports whether a setting leaves the product as it is without it.
func (s *setting) idles(o option) bool {
	if s.absent {
		return false
	}
	value := strings.ToLower(strings.Join(s.values, ""))
	switch value {
	case "", "false", "off", "0", "0s", "none":
		return true
	}
	return o.idle != "" && value == strings.ToLower(o.idle)
}
