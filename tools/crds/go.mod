module github.com/cloakroom-bff/cloakroom/tools/crds

go 1.26.0

// Nothing of these is compiled: they bring the schemas that deploy's tests hold the manifests against.
require (
	github.com/envoyproxy/gateway v1.6.0
	github.com/traefik/traefik/v3 v3.7.9
	sigs.k8s.io/gateway-api v1.4.0
)
