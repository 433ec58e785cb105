package config

import "reflect"

// Changed returns the keys of the file whose values are others in b than in a, in the
// file's order: session.keys, provider.client_secret. A list is one value.
func Changed(a, b *Config) []string {
	return changed("", a.keys(), b.keys())
}

func changed(path string, a, b []key) (names []string) {
	for i, k := range a {
		full := join(path, k.name)
		if g, ok := k.field.(group); ok {
			names = append(names, changed(full, g, b[i].field.(group))...)
		} else if !reflect.DeepEqual(k.field.value(), b[i].field.value()) {
			names = append(names, full)
		}
	}
	return names
}
