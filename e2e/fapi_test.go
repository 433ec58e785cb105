//go:build e2e

package e2e

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A combination is one of FAPI 2.0's: how the client shows who it is, and what its tokens are
// bound to (§5.3.3.1).
type combination struct {
	name string
	auth string
	made string // the flags of `cloakroom keys client`
	mtls bool   // tokens are bound to the certificate, and else to keys
}

var combinations = []combination{
	{"a key, and tokens bound to keys", "private_key_jwt", "--alg ES256", false},
	{"a key, and tokens bound to its certificate", "private_key_jwt", "--certificate --alg PS256", true},
	{"a certificate, and tokens bound to keys", "self_signed_tls_client_auth", "--certificate", false},
	{"a certificate, and tokens bound to it", "tls_client_auth", "--certificate", true},
}

// terms are the charter of a combination, and what another provider has to know of it.
type terms struct {
	charter
	public               json.RawMessage // the client's keys
	certificate, serving []byte          // of servers, and its key
}

// terms makes the client's keys, and says how the client is registered.
func (c combination) terms(t *testing.T) terms {
	t.Helper()
	dir := t.TempDir()
	keys := exec.CommandContext(t.Context(), binary, append([]string{"keys", "client", "--out", "client.keys"}, strings.Fields(c.made)...)...)
	keys.Dir = dir
	public, err := keys.Output()
	if err != nil {
		t.Fatalf("cloakroom keys client: %v", err)
	}
	private, err := os.ReadFile(filepath.Join(dir, "client.keys"))
	if err != nil {
		t.Fatal(err)
	}
	registered := map[string]any{"token_endpoint_auth_method": c.auth, "client_secret": nil, "jwks": json.RawMessage(public)}
	if c.auth == "tls_client_auth" {
		registered["tls_client_auth_subject_dn"] = "CN=cloakroom"
	}
	out := terms{public: public, charter: charter{
		demands: []string{"DEMAND=fapi"},
		lines:   []string{"profile: fapi2", "client_auth: " + c.auth, "client_key_file: client.keys"},
		files:   map[string][]byte{"client.keys": private},
	}}
	out.certificate, out.serving = selfSigned(t)
	if strings.Contains(c.made, "--certificate") {
		out.demands = append(out.demands, "MTLS="+encode(t, map[string]string{"key": string(out.serving), "cert": string(out.certificate), "ca": string(private)}))
		out.lines, out.files["servers.pem"] = append(out.lines, "ca_file: servers.pem"), out.certificate
	}
	if c.mtls {
		registered["tls_client_certificate_bound_access_tokens"] = true
		out.lines, out.route = append(out.lines, "sender_constrained: mtls"), "    upstream_tls: {ca_file: servers.pem}"
		out.api = func(t *testing.T, issuer string) string {
			return startBoundAPI(t, issuer, out.certificate, out.serving)
		}
	} else {
		out.demands = append(out.demands, "DPOP=1")
	}
	out.demands = append(out.demands, "CLIENT="+encode(t, registered))
	return out
}

func encode(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// oidc-provider holds its side of FAPI 2.0, oauth4webapi and jose judge at the API; where tokens
// are bound to keys, each answer of both has another nonce, which is good once.
func TestEachCombinationOfFAPIServesAThousandCalls(t *testing.T) {
	t.Parallel()
	for _, c := range combinations {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			everyStore(t, func(t *testing.T, bolt bool) {
				b := openBank(t, bolt, c.terms(t).charter)
				b.op.accessTokensLast(600)
				ticket := b.signIn("alice")
				for range 10 {
					b.bound(100, ticket)
					b.renew(ticket)
				}
				b.bound(10, ticket)
				s := b.op.stats()
				if s.Codes != 1 || s.Pushes != 1 || s.Refreshes != 10 || s.Refused != 0 || s.MostPresentations != 1 {
					t.Errorf("at the provider: %+v", s)
				}
				if !c.mtls {
					if api := b.api.stats(); api.LetIn != 1010 || api.Replays != 0 || len(api.Refused) != 0 {
						t.Errorf("at the API: %+v", api)
					}
				}
				secrets := append(b.op.minted(), ticket)
				for _, g := range b.replicas {
					g.stop()
					searchFiles(t, g.dir, secrets)
				}
			})
		})
	}
}

// A link on another site begins no login before somebody has said so.
func TestUnderFAPIALoginFromElsewhereIsConfirmed(t *testing.T) {
	t.Parallel()
	b := openBank(t, true, combinations[0].terms(t).charter)
	user := newBrowser(t, b.url)
	asked := user.navigate(http.MethodGet, user.parse(nil, b.url+"/bff/login"), nil, "cross-site")
	if asked.status != http.StatusOK || !strings.Contains(asked.body, "Sign in to localhost") || b.op.stats().Pushes != 0 {
		t.Fatalf("%d\n%s", asked.status, asked.body)
	}
	if form := user.navigate(http.MethodGet, user.parse(nil, b.url+"/bff/login?returnUrl=%2F"), nil, "same-origin"); !strings.HasPrefix(form.url.String(), b.op.issuer) {
		t.Errorf("the button leads to %s\n%s", form.url.Redacted(), b.replicas[0].log())
	}
}
