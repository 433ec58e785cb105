//go:build e2e

package e2e

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// spellings returns how a secret may stand in text: plain, encoded for a URL, in base64 or
// hexadecimal, and of a JWT also the signature alone.
func spellings(secret string) []string {
	all := []string{
		secret, url.QueryEscape(secret), hex.EncodeToString([]byte(secret)),
		base64.RawStdEncoding.EncodeToString([]byte(secret)), base64.RawURLEncoding.EncodeToString([]byte(secret)),
	}
	if parts := strings.Split(secret, "."); len(parts) == 3 && parts[2] != "" {
		all = append(all, parts[2])
	}
	return all
}

// holds returns the place of the first of the secrets in text, -1 for none.
func holds(text string, secrets []string) int {
	for _, secret := range secrets {
		if secret == "" {
			continue
		}
		for _, spelling := range spellings(secret) {
			if at := strings.Index(text, spelling); at >= 0 {
				return at
			}
		}
	}
	return -1
}

var (
	codeParameter = regexp.MustCompile(`([?&]code=)[^&"'\s]+`)
	hintParameter = regexp.MustCompile(`(id_token_hint=)[^&"'\s]+`)
)

// allowed takes out what may travel through a browser: the code on its way to the
// callback, and the ID token as the hint of a logout.
func allowed(text string) string {
	return hintParameter.ReplaceAllString(codeParameter.ReplaceAllString(text, "$1"), "$1")
}

// searchFiles looks for secrets in every file of the gateway's directory but those that an
// operator put there: the store and the logs.
func searchFiles(t *testing.T, dir string, secrets []string) {
	t.Helper()
	searched := 0
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		searched += len(data)
		if at := holds(string(data), secrets); at >= 0 {
			t.Errorf("%s holds a secret of the provider or the ticket at byte %d", entry.Name(), at)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if searched == 0 || len(secrets) == 0 {
		t.Fatalf("searched %d bytes for %d secrets: that proves nothing", searched, len(secrets))
	}
}

// searchSightings looks for secrets in what a browser saw.
func searchSightings(t *testing.T, seen []sighting, secrets []string) {
	t.Helper()
	if len(seen) == 0 {
		t.Fatal("the browser saw nothing: that proves nothing")
	}
	for _, s := range seen {
		for part, text := range map[string]string{"request": s.request, "header": fmt.Sprint(s.header), "body": s.body} {
			if at := holds(allowed(text), secrets); at >= 0 {
				t.Errorf("%s: the %s shows the browser a token at byte %d", s.where, part, at)
			}
		}
	}
}

// searchUpstream looks into what the upstream got: an access token in Authorization, and no
// other secret anywhere.
func searchUpstream(t *testing.T, calls []call, secrets []string) {
	t.Helper()
	for _, c := range calls {
		token := strings.TrimPrefix(c.authorization, "Bearer ")
		if at := holds(strings.ReplaceAll(c.raw, token, ""), secrets); token != "" && at >= 0 {
			t.Errorf("the upstream got more than its access token, at byte %d of its request", at)
		}
	}
}

func TestTheSearchFindsWhatItLooksFor(t *testing.T) {
	t.Parallel()
	const jwt = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJlLW9mLXRoZS10b2tlbg"
	for _, text := range []string{
		"level=info token=" + jwt,
		"value " + base64.StdEncoding.EncodeToString([]byte(jwt)),
		"hex " + hex.EncodeToString([]byte(jwt)),
		"signature c2lnbmF0dXJlLW9mLXRoZS10b2tlbg",
	} {
		if holds(text, []string{"another", jwt}) < 0 {
			t.Errorf("not found in %q", text)
		}
	}
	if at := holds("nothing here", []string{jwt}); at >= 0 {
		t.Errorf("found at %d where there is nothing", at)
	}
	if at := holds(allowed("/session/end?id_token_hint="+jwt+"&state=x"), []string{jwt}); at >= 0 {
		t.Error("the hint of a logout is allowed")
	}
	if at := holds(allowed("/page?token="+jwt), []string{jwt}); at < 0 {
		t.Error("only the hint of a logout is allowed")
	}
}
