//go:build e2e

package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// A proof is how a client of oidc-provider shows who it is.
type proof struct {
	name   string
	method string
	make   string // the flags of `cloakroom keys client`; empty: the secret does it
	bound  bool   // tokens are bound to the certificate

	lines []string // of the configuration, beside
}

var proofs = []proof{
	{"a key for RS256", "private_key_jwt", "--alg RS256", false, nil},
	{"a key for PS256", "private_key_jwt", "--alg PS256", false, nil},
	{"a key for ES256", "private_key_jwt", "--alg ES256", false, nil},
	{"a key for EdDSA", "private_key_jwt", "--alg EdDSA", false, nil},
	{"a secret that signs", "client_secret_jwt", "", false, nil},
	{"a certificate of an authority", "tls_client_auth", "--certificate", false, nil},
	{"a certificate of its own", "self_signed_tls_client_auth", "--certificate", false, nil},
	{"a key, and tokens bound to its certificate", "private_key_jwt", "--certificate", true, nil},
	{"a certificate, and tokens bound to it", "tls_client_auth", "--certificate --alg PS256", true, nil},
}

// A login, refreshes and a revocation in front of oidc-provider, which takes each assertion
// once; the API of bound tokens has them verified by jose.
func TestClientsAuthenticateAtOIDCProvider(t *testing.T) {
	t.Parallel()
	for _, p := range proofs {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			s := setStageFor(t, p)
			s.provider.accessTokensLast(2)
			s.signIn()
			eventually(t, time.Minute, "three refreshes", func() bool {
				s.callAPI()
				return s.provider.stats().Refreshes >= 3
			})
			s.signOut()
			if got := s.provider.stats(); got.Codes != 1 || got.Refused != 0 || got.MostPresentations != 1 || got.LiveRefreshTokens != 0 || got.Revocations == 0 {
				t.Errorf("the provider counts %+v", got)
			}
			s.search()
		})
	}
}

// setStageFor starts oidc-provider with what the gateway's key is registered as, and both.
func setStageFor(t *testing.T, p proof, env ...string) *stage {
	t.Helper()
	s := &stage{t: t, gateway: newGateway(t), upstream: startUpstream(t)}
	s.browser = newBrowser(t, s.gateway.url)
	registered := map[string]any{"token_endpoint_auth_method": p.method}
	lines := append(p.lines, "client_auth: "+p.method)
	var client struct{ key, certificate string }
	if p.make != "" {
		made := exec.CommandContext(t.Context(), binary, append([]string{"keys", "client", "--out", "client.keys"}, strings.Fields(p.make)...)...)
		made.Dir = s.gateway.dir
		public, err := made.Output()
		if err != nil {
			t.Fatalf("cloakroom keys client: %v", err)
		}
		registered["client_secret"], registered["jwks"] = nil, json.RawMessage(public)
		lines = append(lines, "client_key_file: client.keys")
		client.certificate = s.gateway.read("client.keys")
	}
	if p.method == "private_key_jwt" && !p.bound {
		registered["token_endpoint_auth_signing_alg"] = p.make[len("--alg "):]
	}
	if p.method == "tls_client_auth" {
		registered["tls_client_auth_subject_dn"] = "CN=cloakroom"
	}
	target := s.upstream.url
	certificate, private := selfSigned(t)
	if strings.Contains(p.make, "--certificate") {
		listener, err := json.Marshal(map[string]string{"key": string(private), "cert": string(certificate), "ca": client.certificate})
		if err != nil {
			t.Fatal(err)
		}
		env = append(env, "MTLS="+string(listener))
		s.gateway.write("servers.pem", certificate)
		lines = append(lines, "ca_file: servers.pem")
	}
	if p.bound {
		registered["tls_client_certificate_bound_access_tokens"] = true
		lines = append(lines, "sender_constrained: mtls")
	}
	metadata, err := json.Marshal(registered)
	if err != nil {
		t.Fatal(err)
	}
	s.provider = startProvider(t, s.gateway.url, append(env, "CLIENT="+string(metadata))...)
	if p.bound {
		target = startBoundAPI(t, s.provider.issuer, certificate, private) + "\n    upstream_tls: {ca_file: servers.pem}"
	}
	as := s.provider.client()
	as.lines = lines
	if p.make != "" {
		as.secret = ""
	}
	s.gateway.configure(as, target)
	s.gateway.start()
	return s
}

// startBoundAPI starts provider/bound.mjs, and makes sure at the end that it took every token.
func startBoundAPI(t *testing.T, issuer string, certificate, private []byte) string {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		missing(t, "node", "install Node 20 or later")
	}
	pair, err := json.Marshal(map[string]string{"key": string(private), "cert": string(certificate)})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(node, "bound.mjs") // without a context: it ends with its standard input
	cmd.Dir, cmd.Env, cmd.Stderr = "provider", append(cmd.Environ(), "ISSUER="+issuer, "TLS="+string(pair)), t.Output()
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var hello struct{ URL string }
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	if err := json.NewDecoder(bufio.NewReader(stdout)).Decode(&hello); err != nil {
		t.Fatal("the API ended before it said where it listens:", err)
	}
	t.Cleanup(func() { tookEveryToken(t, hello.URL, certificate) })
	return hello.URL
}

func tookEveryToken(t *testing.T, url string, certificate []byte) {
	t.Helper()
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{TLSClientConfig: trusting(certificate), DisableKeepAlives: true}}
	res, err := client.Get(url + "/control/stats")
	if err != nil {
		t.Error(err)
		return
	}
	defer res.Body.Close()
	var stats struct {
		LetIn   int      `json:"let_in"`
		Refused []string `json:"refused"`
	}
	if err := json.NewDecoder(res.Body).Decode(&stats); err != nil || stats.LetIn == 0 || len(stats.Refused) > 0 {
		t.Error(fmt.Sprintf("the API let %d calls in, and refused %v", stats.LetIn, stats.Refused), err)
	}
}
