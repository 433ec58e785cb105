package oidc

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// Issuers says which issuers are the provider's beside Config.Issuer. The zero value says
// that there is one, spelt in one way (OpenID Connect Discovery 1.0 §4.3); each field
// opens that no further than its provider needs.
type Issuers struct {
	// AnySlash lets the discovery document differ from Config.Issuer in a slash at the
	// end. From then on iss is compared with what the document says, to the letter.
	AnySlash bool

	// Also are other spellings of the issuer in ID tokens. They mean the same provider.
	Also []string

	// Tenants are the tenants of a provider that has many, by the claim tid; Template is
	// the issuer with {tenantid} in a tenant's place. The discovery document names the
	// template, and an ID token the issuer of one of these tenants. A grant belongs to
	// its tenant's issuer. Both or neither are set.
	Tenants  []string
	Template string
}

const tenantPlace = "{tenantid}"

func (is *Issuers) check() error {
	switch {
	case len(is.Tenants) == 0 && is.Template == "":
		return nil
	case len(is.Tenants) == 0 || is.Template == "":
		return errors.New("oidc: Issuers needs both Tenants and Template, or neither")
	case is.AnySlash || len(is.Also) > 0:
		return errors.New("oidc: Issuers has Tenants, so there must be no AnySlash and no Also")
	case strings.Count(is.Template, tenantPlace) != 1:
		return fmt.Errorf("oidc: Issuers.Template must hold %s once", tenantPlace)
	case slices.Contains(is.Tenants, ""):
		return errors.New("oidc: Issuers.Tenants has an empty one")
	}
	u, err := url.Parse(is.of("tenant"))
	if err != nil || !strings.Contains(u.Path, "tenant") {
		return fmt.Errorf("oidc: Issuers.Template must hold %s in its path", tenantPlace)
	}
	return checkEndpoint("Issuers.Template", is.of("tenant"))
}

// of is the issuer of a tenant.
func (is *Issuers) of(tenant string) string {
	return strings.Replace(is.Template, tenantPlace, tenant, 1)
}

// Filed lists what the provider's grants can be filed under: Grant.Issuer is one of these.
func (c *Client) Filed() []string {
	if len(c.cfg.Issuers.Tenants) == 0 {
		return []string{c.cfg.name()}
	}
	var all []string
	for _, tenant := range c.cfg.Issuers.Tenants {
		all = append(all, c.cfg.Issuers.of(tenant))
	}
	return all
}

// name is what grants are filed under, where the provider has one issuer. It does not
// change with the spelling: correcting a slash in the configuration must not make every
// session somebody else's.
func (c *Config) name() string {
	if c.Issuers.AnySlash {
		return strings.TrimSuffix(c.Issuer, "/") + "/"
	}
	return c.Issuer
}

// Announced is what the discovery document has to name.
func (c *Config) Announced() string {
	if len(c.Issuers.Tenants) > 0 {
		return c.Issuers.Template
	}
	return c.Issuer
}

// AnnouncedAs reports whether a discovery document with this issuer is the provider's.
func (c *Config) AnnouncedAs(issuer string) bool {
	if c.Issuers.AnySlash {
		return strings.TrimSuffix(issuer, "/") == strings.TrimSuffix(c.Issuer, "/")
	}
	return issuer == c.Announced()
}

// isTenant reports whether an issuer is that of an allowed tenant.
func (c *Config) isTenant(issuer string) bool {
	return slices.ContainsFunc(c.Issuers.Tenants, func(t string) bool { return c.Issuers.of(t) == issuer })
}

// nameOf returns what grants with this iss are filed under. ours is false if it is none of
// the provider's.
func (c *Config) nameOf(m *metadata, iss string) (name string, ours bool) {
	switch {
	case len(c.Issuers.Tenants) > 0:
		return iss, c.isTenant(iss)
	case iss == m.Issuer, slices.Contains(c.Issuers.Also, iss):
		return c.name(), iss != ""
	}
	return "", false
}
