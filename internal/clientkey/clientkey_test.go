package clientkey_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/cloakroom-bff/cloakroom/internal/clientkey"
)

// pemOf is a private key as a PEM block.
func pemOf(t *testing.T, private any) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func onCurve(t *testing.T, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func ofBits(t *testing.T, bits int) *rsa.PrivateKey {
	t.Helper()
	t.Setenv("GODEBUG", "rsa1024min=0")
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func fresh(t *testing.T, alg string) []byte {
	t.Helper()
	data, err := clientkey.New(alg, nil)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func parse(t *testing.T, data []byte) *clientkey.Set {
	t.Helper()
	set, err := clientkey.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// published reads the public keys as a provider does.
func published(t *testing.T, set *clientkey.Set) jose.JSONWebKeySet {
	t.Helper()
	all, err := set.Public()
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(map[string]any{"keys": all})
	if err != nil {
		t.Fatal(err)
	}
	var read jose.JSONWebKeySet
	if err := json.Unmarshal(text, &read); err != nil {
		t.Fatal(err)
	}
	return read
}

// verify checks a signature under the published keys, and returns its header and claims.
func verify(t *testing.T, set *clientkey.Set, token string) (jose.Header, map[string]any) {
	t.Helper()
	signed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.RS256, jose.PS256, jose.ES256, jose.EdDSA})
	if err != nil {
		t.Fatal(err)
	}
	header := signed.Signatures[0].Protected
	keys := published(t, set)
	found := keys.Key(header.KeyID)
	if len(found) != 1 {
		t.Fatalf("%d keys have the id %q", len(found), header.KeyID)
	}
	payload, err := signed.Verify(found[0])
	if err != nil {
		t.Fatal(err)
	}
	var claims map[string]any
	if err := json.Unmarshal(payload, &claims); err != nil {
		t.Fatal(err)
	}
	return header, claims
}

func TestEveryAlgorithmSigns(t *testing.T) {
	t.Parallel()
	for _, alg := range clientkey.Algorithms() {
		t.Run(alg, func(t *testing.T) {
			t.Parallel()
			set := parse(t, fresh(t, alg))
			token, err := set.Sign(clientkey.Header{Type: "client-authentication+jwt"}, map[string]any{"aud": "https://id.example.com"})
			if err != nil {
				t.Fatal(err)
			}
			header, claims := verify(t, set, token)
			if header.Algorithm != alg || header.ExtraHeaders["typ"] != "client-authentication+jwt" || claims["aud"] != "https://id.example.com" {
				t.Errorf("header %v, claims %v", header, claims)
			}
		})
	}
}

func TestAnRSAKeyOfNoAlgorithmSignsWithWhatTheProviderTakes(t *testing.T) {
	set := parse(t, pemOf(t, ofBits(t, 2048)))
	for _, row := range []struct {
		offered []string
		want    string
	}{
		{nil, "RS256"},
		{[]string{"RS256", "PS256"}, "RS256"},
		{[]string{"PS256", "ES256"}, "PS256"},
		{[]string{"ES256"}, "RS256"},
	} {
		token, err := set.Sign(clientkey.Header{Type: "JWT", Offered: row.offered}, map[string]any{})
		if err != nil {
			t.Fatal(err)
		}
		if header, _ := verify(t, set, token); header.Algorithm != row.want {
			t.Errorf("offered %v: %s, want %s", row.offered, header.Algorithm, row.want)
		}
	}
}

func TestTheFirstKeySignsAndAllArePublished(t *testing.T) {
	t.Parallel()
	first := fresh(t, "ES256")
	both, err := clientkey.New("EdDSA", first)
	if err != nil {
		t.Fatal(err)
	}
	one, two := parse(t, first), parse(t, both)
	token, err := two.Sign(clientkey.Header{Type: "JWT"}, map[string]any{})
	if err != nil {
		t.Fatal(err)
	}
	verify(t, one, token)
	if n := len(published(t, two).Keys); n != 2 {
		t.Errorf("%d keys are published", n)
	}
	if one.Digest() == two.Digest() || one.Digest() != parse(t, first).Digest() {
		t.Error("the digest does not tell two files apart")
	}
}

func TestNothingPrivateIsPublishedOrPrinted(t *testing.T) {
	t.Parallel()
	for _, alg := range []string{"ES256", "EdDSA", "RS256"} {
		data := fresh(t, alg)
		var file struct{ Keys []map[string]any }
		if err := json.Unmarshal(data, &file); err != nil {
			t.Fatal(err)
		}
		set := parse(t, data)
		all, err := set.Public()
		if err != nil {
			t.Fatal(err)
		}
		shown := fmt.Sprintf("%s %v %+v %#v %s", all, set, set, set, set)
		for _, member := range []string{"d", "p", "q", "dp", "dq", "qi"} {
			if value, ok := file.Keys[0][member].(string); ok && strings.Contains(shown, value) {
				t.Errorf("%s: %q is shown", alg, member)
			}
		}
	}
}

func TestACertificateIsPresentedAndPublished(t *testing.T) {
	t.Parallel()
	first, err := clientkey.NewCertificate("ES256", "gateway", time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	second, err := clientkey.NewCertificate("EdDSA", "gateway", time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	set := parse(t, bytes.Join([][]byte{pemOf(t, onCurve(t, elliptic.P256())), first, second}, nil))
	pair := set.Certificate()
	if pair == nil || pair.Leaf.Subject.CommonName != "gateway" || len(pair.Certificate) != 1 {
		t.Fatalf("the certificate is %v", pair)
	}
	keys := published(t, set)
	if len(keys.Keys) != 3 || len(keys.Keys[0].Certificates) != 0 || len(keys.Keys[1].Certificates) != 1 || len(keys.Keys[2].Certificates) != 1 {
		t.Fatalf("%d keys are published: %v", len(keys.Keys), keys)
	}
	if !keys.Keys[1].Certificates[0].Equal(pair.Leaf) {
		t.Error("another certificate is published than is presented")
	}
	thumb := sha256.Sum256(pair.Certificate[0])
	if !bytes.Equal(keys.Keys[1].CertificateThumbprintSHA256, thumb[:]) {
		t.Error("the certificate's thumbprint is not published")
	}
	token, err := parse(t, first).Sign(clientkey.Header{Type: "JWT"}, map[string]any{})
	if err != nil {
		t.Fatal(err)
	}
	header, _ := verify(t, set, token)
	if header.ExtraHeaders["x5t#S256"] != base64.RawURLEncoding.EncodeToString(thumb[:]) {
		t.Errorf("the assertion names no certificate: %v", header)
	}
	if parse(t, fresh(t, "ES256")).Certificate() != nil {
		t.Error("a key without a certificate has one")
	}
}

func TestKeysThatCannotBeUsedAreRefusedWithWhatToDo(t *testing.T) {
	good := fresh(t, "ES256")
	alone, err := clientkey.NewCertificate("ES256", "gateway", time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	certificate, _ := pem.Decode(alone)
	public, err := json.Marshal(published(t, parse(t, good)))
	if err != nil {
		t.Fatal(err)
	}
	twice := fmt.Sprintf(`{"keys": [%s, %s]}`, inner(t, good), inner(t, good))
	for _, row := range []struct {
		name string
		data []byte
		says string
	}{
		{"nothing", nil, "cloakroom keys client"},
		{"words", []byte("hello"), "cloakroom keys client"},
		{"an empty set", []byte(`{"keys": []}`), "cloakroom keys client"},
		{"no JSON", []byte(`{"keys"`), "no valid JSON"},
		{"a public key", public, "key 1 is a public key"},
		{"a weak RSA key", pemOf(t, ofBits(t, 1024)), "1024 bits, which is too weak"},
		{"a curve for nobody", pemOf(t, onCurve(t, elliptic.P384())), "on the curve P-384: make one on P-256"},
		{"an unknown curve", []byte(`{"kty":"EC","crv":"secp256k1","x":"AA","y":"AA","d":"AA"}`), "no JSON Web Key that can be read"},
		{"a symmetric key", []byte(`{"kty":"oct","k":"c2VjcmV0"}`), "no JSON Web Key that can be read"},
		{"an algorithm of others", bytes.Replace(good, []byte(`"ES256"`), []byte(`"RS256"`), 1), `has the alg "RS256", and can do [ES256]`},
		{"a key for encryption", bytes.Replace(good, []byte(`"sig"`), []byte(`"enc"`), 1), `has the use "enc"`},
		{"one key twice", []byte(twice), "key 2 has the id (kid) of an earlier one"},
		{"an encrypted key", pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte("x")}), "is encrypted"},
		{"a broken key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("x")}), "no private key that can be read"},
		{"something else", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: []byte("x")}), `is "PUBLIC KEY"`},
		{"a certificate of nobody", append(pem.EncodeToMemory(certificate), pemOf(t, onCurve(t, elliptic.P256()))...), "certificate 1 (CN=gateway) is of no key"},
		{"a broken certificate", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")}), "certificate 1 cannot be read"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			_, err := clientkey.Parse(row.data)
			if err == nil || !strings.Contains(err.Error(), row.says) {
				t.Errorf("got %v, want it to say %q", err, row.says)
			}
		})
	}
}

// inner is the only key of a set.
func inner(t *testing.T, set []byte) json.RawMessage {
	t.Helper()
	var file struct{ Keys []json.RawMessage }
	if err := json.Unmarshal(set, &file); err != nil {
		t.Fatal(err)
	}
	return file.Keys[0]
}

func FuzzParse(f *testing.F) {
	set, err := clientkey.New("ES256", nil)
	if err != nil {
		f.Fatal(err)
	}
	pair, err := clientkey.NewCertificate("ES256", "gateway", time.Now(), time.Hour)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(set)
	f.Add(pair)
	f.Fuzz(func(t *testing.T, data []byte) {
		read, err := clientkey.Parse(data)
		if err != nil {
			return
		}
		if _, err := read.Public(); err != nil {
			t.Errorf("keys that were read cannot be published: %v", err)
		}
		if _, err := read.Sign(clientkey.Header{Type: "JWT"}, map[string]any{}); err != nil {
			t.Errorf("keys that were read do not sign: %v", err)
		}
	})
}
