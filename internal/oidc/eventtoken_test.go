package oidc

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

func TestAnEventSaysWhatHappenedWhenAndToWhom(t *testing.T) {
	t.Parallel()
	s := newStation(t, Issuers{})
	at := s.now.Add(-time.Hour)
	c := s.event(caep+"session-revoked", map[string]any{
		"event_timestamp": at.Unix(), "initiating_entity": "policy", "reason_admin": map[string]any{"en": "why"}, "unknown": []any{1},
	})
	got, err := s.Verify(t.Context(), s.sign(c))
	if err != nil {
		t.Fatal(err)
	}
	e := got.Events[0]
	if got.Issuer != transmitter || got.ID != "j1" || !got.Until.Equal(s.now.Add(oldestEvent+time.Minute)) || len(got.Events) != 1 ||
		e.Type != caep+"session-revoked" || e.Name != "session-revoked" || !e.At.Equal(at) {
		t.Errorf("got %+v", got)
	}
	if want := (session.Word{Issuer: "https://id.example.com/", Subject: "alice", At: at}); !slices.Equal(e.About, []session.Word{want}) {
		t.Errorf("about %+v", e.About)
	}
}

func TestEventsThatAreAsTheyShouldBeAreTaken(t *testing.T) {
	t.Parallel()
	s := newStation(t, Issuers{})
	for name, row := range map[string]struct {
		typ    string
		change func(c map[string]any)
		name   string
		nobody bool
	}{
		"the full type":            {"application/secevent+jwt", nil, "session-revoked", false},
		"in capitals":              {"SecEvent+JWT", nil, "session-revoked", false},
		"aud is a list":            {"", func(c map[string]any) { c["aud"] = []string{"app", "other"} }, "session-revoked", false},
		"as old as one may be":     {"", func(c map[string]any) { c["iat"] = s.now.Add(-oldestEvent - time.Minute).Unix() }, "session-revoked", false},
		"the clock is a bit slow":  {"", func(c map[string]any) { c["iat"] = s.now.Add(time.Minute).Unix() }, "session-revoked", false},
		"the subject in the event": {"", func(c map[string]any) { inTheEvent(c) }, "session-revoked", false},
		"another event":            {"", func(c map[string]any) { c["events"] = map[string]any{"urn:other": map[string]any{}} }, "", false},
		"another without subject": {"", func(c map[string]any) {
			c["events"], c["sub_id"] = map[string]any{"urn:other": map[string]any{}}, nil
			delete(c, "sub_id")
		}, "", true},
		"a verification": {"", func(c map[string]any) {
			c["events"], c["sub_id"] = map[string]any{ssf + "verification": map[string]any{"state": "x"}}, map[string]any{"format": "opaque", "id": "stream"}
		}, "verification", true},
		"without a state": {"", func(c map[string]any) {
			c["events"], c["sub_id"] = map[string]any{ssf + "verification": map[string]any{}}, map[string]any{"format": "opaque", "id": "stream"}
		}, "verification", true},
		"a stream that pauses": {"", func(c map[string]any) {
			c["events"], c["sub_id"] = map[string]any{ssf + "stream-updated": map[string]any{"status": "paused"}}, map[string]any{"format": "opaque", "id": "stream"}
		}, "stream-updated", true},
		"a device that is well again": {"", func(c map[string]any) {
			c["events"] = map[string]any{caep + "device-compliance-change": map[string]any{"previous_status": "not-compliant", "current_status": "compliant"}}
		}, "device-compliance-change", true},
	} {
		c := s.event(caep+"session-revoked", map[string]any{})
		if row.change != nil {
			row.change(c)
		}
		typ := row.typ
		if typ == "" {
			typ = "secevent+jwt"
		}
		got, err := s.Verify(t.Context(), s.good(typ, c))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if e := got.Events[0]; e.Name != row.name || row.nobody != (len(e.About) == 0) {
			t.Errorf("%s: %+v", name, e)
		}
	}
}

func inTheEvent(c map[string]any) {
	c["events"].(map[string]any)[caep+"session-revoked"] = map[string]any{"subject": c["sub_id"]}
	delete(c, "sub_id")
}

func TestBadEventsAreRefused(t *testing.T) {
	t.Parallel()
	s := newStation(t, Issuers{})
	for name, row := range map[string]struct {
		code   string
		typ    any
		change func(c map[string]any)
	}{
		"no type":                   {InvalidRequest, nil, nil},
		"of type JWT":               {InvalidRequest, "JWT", nil},
		"a logout token":            {InvalidRequest, "logout+jwt", nil},
		"no issuer":                 {InvalidIssuer, "", func(c map[string]any) { delete(c, "iss") }},
		"another issuer":            {InvalidIssuer, "", func(c map[string]any) { c["iss"] = "https://evil.example" }},
		"a slash too many":          {InvalidIssuer, "", func(c map[string]any) { c["iss"] = transmitter + "/" }},
		"the provider's":            {InvalidIssuer, "", func(c map[string]any) { c["iss"] = "https://id.example.com/" }},
		"no audience":               {InvalidAudience, "", func(c map[string]any) { delete(c, "aud") }},
		"another audience":          {InvalidAudience, "", func(c map[string]any) { c["aud"] = []string{"other"} }},
		"an audience of one number": {InvalidAudience, "", func(c map[string]any) { c["aud"] = 1 }},
		"exp":                       {InvalidRequest, "", func(c map[string]any) { c["exp"] = s.now.Add(time.Hour).Unix() }},
		"sub":                       {InvalidRequest, "", func(c map[string]any) { c["sub"] = "alice" }},
		"a nonce":                   {InvalidRequest, "", func(c map[string]any) { c["nonce"] = "n" }},
		"no jti":                    {InvalidRequest, "", func(c map[string]any) { delete(c, "jti") }},
		"an empty jti":              {InvalidRequest, "", func(c map[string]any) { c["jti"] = "" }},
		"a jti of a number":         {InvalidRequest, "", func(c map[string]any) { c["jti"] = 1 }},
		"no iat":                    {InvalidRequest, "", func(c map[string]any) { delete(c, "iat") }},
		"iat as text":               {InvalidRequest, "", func(c map[string]any) { c["iat"] = "now" }},
		"from the future":           {InvalidRequest, "", func(c map[string]any) { c["iat"] = s.now.Add(2 * time.Minute).Unix() }},
		"too old":                   {InvalidRequest, "", func(c map[string]any) { c["iat"] = s.now.Add(-oldestEvent - 2*time.Minute).Unix() }},
		"no events":                 {InvalidRequest, "", func(c map[string]any) { delete(c, "events") }},
		"events is empty":           {InvalidRequest, "", func(c map[string]any) { c["events"] = map[string]any{} }},
		"events is a list":          {InvalidRequest, "", func(c map[string]any) { c["events"] = []string{caep + "session-revoked"} }},
		"the event is true":         {InvalidRequest, "", func(c map[string]any) { c["events"] = map[string]any{caep + "session-revoked": true} }},
		"one of two is":             {InvalidRequest, "", func(c map[string]any) { c["events"].(map[string]any)["urn:other"] = nil }},
		"no subject":                {InvalidRequest, "", func(c map[string]any) { delete(c, "sub_id") }},
		"a time as text":            {InvalidRequest, "", event("session-revoked", map[string]any{"event_timestamp": "now"})},
		"a toe as text":             {InvalidRequest, "", func(c map[string]any) { c["toe"] = "now" }},
		"no claims":                 {InvalidRequest, "", event("token-claims-change", map[string]any{})},
		"claims is a list":          {InvalidRequest, "", event("token-claims-change", map[string]any{"claims": []any{"role"}})},
		"no credential":             {InvalidRequest, "", event("credential-change", map[string]any{"change_type": "update"})},
		"no change":                 {InvalidRequest, "", event("credential-change", map[string]any{"credential_type": "password"})},
		"an unknown change":         {InvalidRequest, "", event("credential-change", map[string]any{"credential_type": "password", "change_type": "guess"})},
		"no level":                  {InvalidRequest, "", event("assurance-level-change", map[string]any{"namespace": "NIST-AAL"})},
		"an odd direction":          {InvalidRequest, "", event("assurance-level-change", map[string]any{"namespace": "NIST-AAL", "current_level": "1", "change_direction": "sideways"})},
		"an odd status":             {InvalidRequest, "", event("device-compliance-change", map[string]any{"previous_status": "compliant", "current_status": "?"})},
		"a state of a number": {InvalidRequest, "", func(c map[string]any) {
			c["events"] = map[string]any{ssf + "verification": map[string]any{"state": 1}}
		}},
		"a stream without status": {InvalidRequest, "", func(c map[string]any) {
			c["events"] = map[string]any{ssf + "stream-updated": map[string]any{}}
		}},
		"compromised, but what": {InvalidRequest, "", func(c map[string]any) {
			c["events"] = map[string]any{risc + "credential-compromise": map[string]any{}}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			c := s.event(caep+"session-revoked", map[string]any{})
			if row.change != nil {
				row.change(c)
			}
			if row.typ == "" {
				row.typ = "secevent+jwt"
			}
			_, err := s.Verify(t.Context(), s.good(row.typ, c))
			wantCode(t, err, row.code)
		})
	}
}

// event puts another event of CAEP into a token.
func event(name string, payload map[string]any) func(map[string]any) {
	return func(c map[string]any) { c["events"] = map[string]any{caep + name: payload} }
}

func TestAnEventHappenedWhenItSaysAndNotAfterItWasTold(t *testing.T) {
	t.Parallel()
	s := newStation(t, Issuers{})
	hourAgo, hence := s.now.Add(-time.Hour), s.now.Add(time.Hour)
	for name, row := range map[string]struct {
		stamp, toe any
		want       time.Time
	}{
		"it does not say":           {nil, nil, s.now},
		"the event says":            {hourAgo.Unix(), s.now.Unix(), hourAgo},
		"the token says":            {nil, hourAgo.Unix(), hourAgo},
		"in milliseconds":           {hourAgo.UnixMilli(), nil, hourAgo},
		"in the future":             {hence.Unix(), nil, s.now},
		"in the future and in both": {hence.Unix(), hourAgo.Unix(), s.now},
		"with a fraction":           {float64(hourAgo.Unix()) + .5, nil, hourAgo},
	} {
		payload := map[string]any{}
		c := s.event(caep+"session-revoked", payload)
		if row.stamp != nil {
			payload["event_timestamp"] = row.stamp
		}
		if row.toe != nil {
			c["toe"] = row.toe
		}
		got, err := s.Verify(t.Context(), s.sign(c))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if e := got.Events[0]; !e.At.Equal(row.want) || !e.About[0].At.Equal(row.want) {
			t.Errorf("%s: at %v, want %v", name, e.At, row.want)
		}
	}
}

func TestEveryKnownEventHasANameOfItsOwn(t *testing.T) {
	t.Parallel()
	names := EventNames()
	if sorted := slices.Compact(slices.Sorted(slices.Values(names))); len(sorted) != len(names) {
		t.Errorf("a name is there twice: %q", names)
	}
	for uri, want := range map[string]string{
		caep + "session-revoked": "session-revoked", risc + "sessions-revoked": "sessions-revoked", ssf + "verification": "verification",
		risc + "session-revoked": "", caep: "", caep + "session-revoked/x": "", "session-revoked": "",
	} {
		if got := eventName(uri); got != want {
			t.Errorf("%s is called %q", uri, got)
		}
	}
}

// FuzzSecurityEvent reads whatever a transmitter may have signed. Nothing panics, and what is
// taken can be marked as used and concerns nobody but users of the provider's.
func FuzzSecurityEvent(f *testing.F) {
	c, err := New(Config{Issuer: "https://id.example.com", ClientID: "app", ClientAuth: NoSecret, RedirectURL: "https://app.example.com/cb", Now: func() time.Time { return time.Unix(2_000_000_000, 0) }})
	if err != nil {
		f.Fatal(err)
	}
	r, err := NewReceiver(ReceiverConfig{Issuer: transmitter}, c)
	if err != nil {
		f.Fatal(err)
	}
	head := `{"iss":"` + transmitter + `","aud":"app","iat":2000000000,"jti":"j",`
	for _, rest := range []string{
		`"sub_id":{"format":"iss_sub","iss":"https://id.example.com","sub":"alice"},"events":{"` + caep + `session-revoked":{"event_timestamp":1.9e9}}}`,
		`"sub_id":{"format":"complex","user":{"format":"email","email":"a@b"},"session":{"format":"opaque","id":"s"}},"events":{"` + caep + `token-claims-change":{"claims":{}}}}`,
		`"sub_id":{"format":"aliases","identifiers":[{"format":"opaque","id":"s"},{"format":"did"}]},"events":{"` + risc + `account-disabled":{}}}`,
		`"events":{"urn:x":{"subject":{"format":"email"}}}}`,
		`"events":{"` + ssf + `verification":{"state":null}}}`,
		`"sub_id":[],"toe":1e400,"events":{"":{}}}`,
	} {
		f.Add([]byte(head + rest))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		got, err := r.read("secevent+jwt", payload)
		if err != nil {
			wantAnyCode(t, err)
			return
		}
		if got.ID == "" || len(got.Events) == 0 {
			t.Fatalf("taken: %+v", got)
		}
		for _, e := range got.Events {
			if e.At.After(got.Until) || len(e.About) > 2*mostAliases*mostAliases {
				t.Fatalf("taken: %+v", e)
			}
			for _, w := range e.About {
				if w.Issuer != "https://id.example.com" || w.Subject == "" && w.ProviderSession == "" && w.Email == "" || !w.At.Equal(e.At) {
					t.Fatalf("about %+v", w)
				}
			}
		}
	})
}

func wantAnyCode(t *testing.T, err error) {
	t.Helper()
	codes := map[string]bool{InvalidRequest: true, InvalidIssuer: true, InvalidAudience: true}
	if e, ok := err.(*EventError); !ok || !codes[e.Code] { //nolint:errorlint // it is given as it is
		t.Fatalf("got %v, want one of %v", err, slices.Collect(maps.Keys(codes)))
	}
}
