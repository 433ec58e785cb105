//go:build e2e

package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/devidp"
)

// An operator sits at one replica and means all of them.
func TestAnOperatorEndsSessionsEverywhere(t *testing.T) {
	t.Parallel()
	everyStore(t, func(t *testing.T, bolt bool) {
		f := launch(t, setting{scenario: "an operator ends sessions", bolt: bolt})
		desk := f.replicas[0]
		laptop, other := f.signIn("user00"), f.signIn("user01")
		after(t, 1100*time.Millisecond)
		phone := f.signIn("user00")

		var list []struct{ ID, Subject, Browser string }
		f.read(desk, &list, "list", "--json")
		if len(list) != 3 {
			t.Fatalf("listed %+v", list)
		}
		f.read(desk, &list, "list", "--subject", "user00", "--json")
		if len(list) != 2 || list[0].Subject != "user00" {
			t.Fatalf("of user00: %+v", list)
		}

		first := list[0].ID // the last used one: the phone's
		f.operate(desk, 0, "1 session ended", "revoke", first)
		f.isOver(phone)
		f.call(laptop)
		f.operate(desk, 1, "(not_found)", "revoke", first)

		f.operate(desk, 0, "1 session ended", "revoke", "--subject", "user00")
		f.isOver(laptop)
		f.call(other)
		f.operate(desk, 2, "--yes", "revoke", "--all")
		f.call(other)
		f.operate(desk, 0, "1 session ended", "revoke", "--all", "--yes")
		f.isOver(other)
		eventually(t, 20*time.Second, "all refresh tokens are revoked", func() bool { return f.provider.Stats().LiveGrants == 0 })

		eventually(t, 5*time.Second, "three ends and six acts are in the audit logs", func() bool {
			var ends, acts int
			for _, g := range f.replicas {
				ends += bytes.Count(g.log(), []byte(`"reason":"operator","actor":"operator","by":"127.0.0.1"`))
				acts += bytes.Count(g.log(), []byte(`"log":"audit","event":"operator"`))
			}
			return ends == 3 && acts == 6
		})
	})
}

// T6, by an operator.
func TestAnOperatorsEndDuringARefreshIsFinal(t *testing.T) {
	t.Parallel()
	everyStore(t, func(t *testing.T, bolt bool) {
		f := launch(t, setting{scenario: "T6 an operator's end during a refresh", bolt: bolt})
		ticket := f.expired()
		held := f.provider.Hold(devidp.TokenEndpoint)
		gather := f.burst(t.Context(), 20, ticket, "/api/orders")
		<-held.Arrived()
		newest := f.provider.RefreshToken("user00")
		f.operate(f.replicas[len(f.replicas)-1], 0, "1 session ended", "revoke", "--subject", "user00")
		held.Release()
		if got := gather(); !got.only("401 session_expired", 20) {
			t.Errorf("who waited got %v", got)
		}
		f.isOver(ticket)
		eventually(t, 20*time.Second, "the new refresh token is revoked", func() bool {
			return f.revoked(newest) && f.provider.Stats().LiveGrants == 0
		})
		f.presented(1, 0, 1)
		f.endedOnce("operator")
	})
}

// operate runs `cloakroom sessions` beside a replica and checks its exit code and what it
// says.
func (f *fleet) operate(g *gateway, code int, says string, args ...string) string {
	f.t.Helper()
	cmd := exec.CommandContext(f.t.Context(), binary, append(append([]string{"sessions"}, args...), "--config", "config.yaml")...)
	cmd.Dir = g.dir
	var out, problems strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &problems
	err := cmd.Run()
	got := 0
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		got = exit.ExitCode()
	} else if err != nil {
		f.t.Fatal(err)
	}
	if got != code || !strings.Contains(out.String()+problems.String(), says) {
		f.t.Errorf("sessions %q: exit code %d, want %d\n%s%s", args, got, code, &out, &problems)
	}
	return out.String()
}

// read runs `cloakroom sessions` and decodes its JSON.
func (f *fleet) read(g *gateway, into any, args ...string) {
	f.t.Helper()
	if err := json.Unmarshal([]byte(f.operate(g, 0, "", args...)), into); err != nil {
		f.t.Fatal(err)
	}
}
