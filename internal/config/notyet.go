package config

import "slices"

// limit is a key whose behaviour is still to come.
type limit struct {
	path    string
	set     bool   // to something else than its default
	instead string // what to write today
}

// notYet is the one list of what the contract has and this version has not. A key that
// would be ignored is refused; a row goes when its behaviour comes.
func notYet(c *Config) []limit {
	p := &c.Provider
	return []limit{
		{"provider.client_auth", p.ClientAuth != "" && !slices.Contains([]ClientAuth{SecretBasic, SecretPost, NoClientAuth}, p.ClientAuth), "write client_secret_basic or client_secret_post"},
		{"provider.client_key_file", p.ClientKeyFile != "", "leave it out and write client_secret"},
	}
}
