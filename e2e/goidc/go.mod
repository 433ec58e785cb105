// luikyv/go-oidc as a provider of FAPI 2.0, for the tests against real providers. A module of
// its own keeps what it needs out of the product's go.mod.
module github.com/cloakroom-bff/cloakroom/e2e/goidc

go 1.26

require (
	github.com/go-jose/go-jose/v4 v4.1.4
	github.com/luikyv/go-oidc v0.23.0
)

require github.com/google/uuid v1.6.0 // indirect
