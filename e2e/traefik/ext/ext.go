// Package ext stands in for a module inside Traefik's repository, which no module proxy has
// and to which Traefik's own go.mod leads by a replace line. Only that repository's own
// replace lines count there, so this one has the same two empty types.
package ext

// HTTP is what Traefik's dynamic configuration may be extended with; here it is nothing.
type HTTP struct{}

// Router is the same of a router.
type Router struct{}
