package config

import (
	"slices"

	"github.com/cloakroom-bff/cloakroom/internal/preset"
)

// presetName is the name of a preset, or nothing.
func presetName(s *string) field {
	f := oneOf(s, preset.Names()...).(scalar[string])
	f.shape = object{"type": "string", "enum": append([]any{""}, f.shape["enum"].([]any)...)}
	known := f.parse
	f.parse = func(v string) (string, error) {
		if v == "" {
			return "", nil
		}
		return known(v)
	}
	return f
}

// preset finds out which preset is asked for, before anything is read: it changes what
// follows. A name that is wrong changes nothing here and is reported where it is read.
func (r *reader) preset(root *node) initials {
	name, _ := r.early(root, "preset")
	p, ok := preset.Find(name)
	if !ok {
		return nil
	}
	return initialsOf(p)
}

// early returns a text of the provider's section before anything is read.
func (r *reader) early(root *node, name string) (value string, ok bool) {
	section := root.find("provider")
	if section == nil {
		return "", false
	}
	named := section.value.find(name)
	if named == nil || named.value.kind != text {
		return "", false
	}
	value, _, err := r.expand(named.value.text, nil)
	return value, err == nil
}

// initials are defaults that take the place of the usual ones, by path.
type initials map[string]any

// initialsOf says which keys a preset fills in.
func initialsOf(p preset.Preset) initials {
	of := initials{}
	if p.Issuer != "" {
		of["provider.issuer"] = p.Issuer
	}
	if p.Issuers != nil {
		of["provider.issuers"] = p.Issuers
	}
	if p.IssuerTemplate != "" {
		of["provider.issuer_template"] = p.IssuerTemplate
	}
	if p.Scopes != nil {
		of["provider.scopes"] = p.Scopes
	}
	if p.AuthorizeParams != nil {
		of["provider.authorize_params"] = p.AuthorizeParams
	}
	if p.LoginParams != nil {
		of["provider.login_params"] = slices.Concat(loginParams(), p.LoginParams)
	}
	if p.SendScope {
		of["provider.scope_on_refresh"] = string(SendScope)
	}
	if p.AssertionAudience != "" {
		of["provider.client_assertion.audience"] = p.AssertionAudience
	}
	if p.Logout != "" {
		of["provider.logout"] = p.Logout
	}
	if p.LogoutHint != "" {
		of["provider.logout_hint"] = p.LogoutHint
	}
	if p.RevokesAllDevices {
		of["provider.revoke_on_logout"] = false
	}
	if p.Rotation.RetryAtOnce() {
		of["session.refresh.unknown_outcome"] = string(RetryAtOnce)
	}
	return of
}

// apply returns the description of the keys with these defaults in it.
func (of initials) apply(path string, keys []key) []key {
	out := slices.Clone(keys)
	for i := range out {
		full := join(path, out[i].name)
		if value, ok := of[full]; ok {
			out[i].initial, out[i].needed = value, ""
		}
		if below, ok := out[i].field.(group); ok {
			out[i].field = group(of.apply(full, below))
		}
	}
	return out
}

// checkIssuers looks at how the provider's issuers are told from others'.
func (r *reader) checkIssuers(p *Provider) {
	const path = "provider."
	r.checkTwice(path+"issuers", p.Issuers)
	r.checkTwice(path+"allowed_tenants", p.AllowedTenants)
	if !r.sound(path+"issuer_template", path+"allowed_tenants", path+"issuers") {
		return
	}
	known, _ := preset.Find(p.Preset)
	switch {
	case len(p.AllowedTenants) > 0 && p.IssuerTemplate == "":
		r.problem(path+"allowed_tenants", "there is no issuer_template, so that nothing tells one tenant from the other: write it, too, such as https://login.microsoftonline.com/{tenantid}/v2.0")
	case len(p.AllowedTenants) == 0 && p.IssuerTemplate != known.IssuerTemplate:
		r.problem(path+"issuer_template", "lets the users of no tenant in: write allowed_tenants, the ids of those whose users may sign in")
	case len(p.AllowedTenants) > 0 && len(p.Issuers) > 0:
		r.problem(path+"issuers", "goes with one issuer, and allowed_tenants with many: keep one of them")
	}
}

// checkPreset warns of what an operator wrote that the provider makes nothing of, or more
// than was meant.
func (r *reader) checkPreset(c *Config) {
	p, ok := preset.Find(c.Provider.Preset)
	if !ok {
		return
	}
	unheard := func(path string, audience, resource bool) {
		for name, set := range map[string]bool{"audience": audience, "resource": resource} {
			if instead := p.Unheard[name]; set && instead != "" {
				r.warn(path+name, "%s does not know it: %s", p.Name, instead)
			}
		}
	}
	unheard("provider.", c.Provider.Audience != "", len(c.Provider.Resource) > 0)
	for i, rt := range c.Routes {
		if rt.Token == UserToken || rt.Token == UserOrClientToken { // an exchange knows both
			unheard(element("routes", i)+".", rt.Audience != "", rt.Resource != "")
		}
	}
	if p.RevokesAllDevices && c.Provider.RevokeOnLogout {
		r.warn("provider.revoke_on_logout", "%s then signs the user out of this application on every device: leave it out, unless that is meant", p.Name)
	}
	if p.NeedsIDTokenHint && !c.Provider.IDTokenHint {
		r.warn("provider.id_token_hint", "%s ends no session of its own without it: leave it out, or write logout: local", p.Name)
	}
	life := p.RefreshLife
	if p.OnlineLife > 0 && !slices.Contains(c.Provider.Scopes, "offline_access") {
		life = p.OnlineLife
	}
	if life > 0 && c.Session.IdleTimeout > life && r.sound("session.idle_timeout", "provider.scopes") {
		r.warn("session.idle_timeout", "is longer than a refresh token of %s lives unless it is told otherwise, %s: raise that there, or write %s here",
			p.Name, brief(life), brief(life))
	}
}
