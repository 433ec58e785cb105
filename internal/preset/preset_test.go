package preset_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/cloakroom-bff/cloakroom/internal/preset"
)

func TestEachPresetIsFoundByItsOwnName(t *testing.T) {
	t.Parallel()
	names := preset.Names()
	for _, name := range names {
		p, ok := preset.Find(name)
		if !ok || p.Name != name || name != strings.ToLower(name) {
			t.Errorf("%q is found as %q", name, p.Name)
		}
	}
	if n := len(slices.Compact(slices.Sorted(slices.Values(names)))); n != len(names) {
		t.Errorf("%d names, %d of them different", len(names), n)
	}
	for _, name := range []string{"", "Auth0", "github"} {
		if _, ok := preset.Find(name); ok {
			t.Errorf("there is a preset %q", name)
		}
	}
}

// Who changes what a preset holds changes nobody else's.
func TestAPresetBelongsToWhoFoundIt(t *testing.T) {
	t.Parallel()
	p, _ := preset.Find("google")
	p.Scopes[0], p.AuthorizeParams["prompt"] = "x", "x"
	if again, _ := preset.Find("google"); again.Scopes[0] != "openid" || again.AuthorizeParams["prompt"] != "consent" {
		t.Errorf("%+v", again)
	}
}

// Without openid there is no login, and a scope list that forgets it is never right.
func TestEveryListOfScopesBeginsWithOpenID(t *testing.T) {
	t.Parallel()
	for _, p := range preset.All() {
		if p.Scopes != nil && p.Scopes[0] != "openid" {
			t.Errorf("%s asks for %q", p.Name, p.Scopes)
		}
		if p.SendScope && !slices.Contains(p.RefreshScopes, "openid") {
			t.Errorf("%s names scopes at a refresh, but not always openid", p.Name)
		}
	}
}
