package secret_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/cloakroom-bff/cloakroom/internal/secret"
)

const hidden = "hunter2"

// holder has a secret where fmt can call its methods, and where it cannot.
type holder struct {
	Open   secret.Text
	closed secret.Text
	listed []secret.Text
	mapped map[secret.Text]secret.Text
}

func newHolder() holder {
	s := secret.New(hidden)
	return holder{s, s, []secret.Text{s}, map[secret.Text]secret.Text{s: s}}
}

// leaks reports whether out shows the secret, plain or in an encoding that a verb makes.
func leaks(out string) bool {
	return strings.Contains(out, hidden) ||
		strings.Contains(strings.ToLower(out), fmt.Sprintf("%x", hidden)) ||
		strings.Contains(out, strings.Trim(fmt.Sprintf("%d", []byte(hidden)), "[]"))
}

func TestNoVerbPrintsASecret(t *testing.T) {
	t.Parallel()
	s := secret.New(hidden)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "% x", "%d", "%20s", "%-.3s", "%p", "%T", "%c", "%U", "%b"} {
		for _, value := range []any{s, &s, newHolder(), []secret.Text{s}, struct{ s *secret.Text }{&s}} {
			if out := fmt.Sprintf(verb, value); leaks(out) {
				t.Errorf("%s of %T printed %s", verb, value, out)
			}
		}
	}
	if got := fmt.Sprint(s); got != secret.Mask {
		t.Errorf("printed as %q, want the mask", got)
	}
}

func TestNoEncodingWritesASecret(t *testing.T) {
	t.Parallel()
	h := newHolder()
	j, err := json.Marshal(map[string]any{"h": h, "s": h.Open, "m": h.mapped})
	if err != nil {
		t.Fatal(err)
	}
	if out := string(j); leaks(out) || !strings.Contains(out, secret.Mask) {
		t.Errorf("json is %s", out)
	}
}

func TestNoLogHoldsASecret(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	h := newHolder()
	for _, handler := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(handler).Info("hello", "s", h.Open, "p", &h.Open, "h", h, "l", h.listed)
	}
	if leaks(out.String()) {
		t.Errorf("logged %s", out.String())
	}
}

func TestNoErrorHoldsASecret(t *testing.T) {
	t.Parallel()
	h := newHolder()
	err := errors.Join(fmt.Errorf("bad %v", h.Open), fmt.Errorf("bad %+v: %w", h, errors.New("x")))
	if leaks(err.Error()) {
		t.Errorf("the error says %s", err)
	}
}

func TestASecretComparesAsItsString(t *testing.T) {
	t.Parallel()
	one, other := secret.New(strings.Repeat("a", 3)), secret.New("aaa")
	if one != other || one == secret.New("b") || one.Reveal() != "aaa" {
		t.Error("secrets of the same string differ, or the string is lost")
	}
	var zero secret.Text
	if !zero.IsZero() || zero != secret.New("") || zero.Reveal() != "" || zero.String() != "" {
		t.Error("the zero Text is not the empty one")
	}
}
