package oidc

import (
	"reflect"
	"strings"
	"testing"

	"github.com/cloakroom-bff/cloakroom/session"
)

type object = map[string]any

// Subjects, and what they are called in the rows below.
var (
	issSub  = object{"format": "iss_sub", "iss": "https://id.example.com/", "sub": "alice"}
	foreign = object{"format": "iss_sub", "iss": "https://other.example/", "sub": "alice"}
	address = object{"format": "email", "email": "alice@example.com"}
	opaque  = object{"format": "opaque", "id": "s1"}
	phone   = object{"format": "phone_number", "phone_number": "+12065550100"}
)

func TestASubjectNamesSessions(t *testing.T) {
	t.Parallel()
	s := newStation(t, Issuers{})
	const iss = "https://id.example.com/"
	alice, byMail := session.Word{Issuer: iss, Subject: "alice"}, session.Word{Issuer: iss, Email: "alice@example.com"}
	one := session.Word{Issuer: iss, ProviderSession: "s1"}
	for name, row := range map[string]struct {
		subject object
		want    []session.Word
	}{
		"issuer and subject":              {issSub, []session.Word{alice}},
		"of another provider":             {foreign, nil},
		"an address":                      {address, []session.Word{byMail}},
		"an opaque id":                    {opaque, []session.Word{{Issuer: iss, Subject: "s1"}, one}},
		"a phone":                         {phone, nil},
		"of a format of their own":        {object{"format": "catalog_item", "catalog_id": "1"}, nil},
		"aliases":                         {object{"format": "aliases", "identifiers": []any{address, phone, issSub}}, []session.Word{byMail, alice}},
		"a user":                          {object{"format": "complex", "user": issSub}, []session.Word{alice}},
		"a user by an opaque id":          {object{"format": "complex", "user": opaque}, []session.Word{{Issuer: iss, Subject: "s1"}}},
		"a session":                       {object{"format": "complex", "session": opaque}, []session.Word{one}},
		"a session, with its issuer":      {object{"format": "complex", "session": object{"format": "iss_sub", "iss": iss, "sub": "s1"}}, []session.Word{one}},
		"a user's session":                {object{"format": "complex", "user": issSub, "session": opaque}, []session.Word{{Issuer: iss, Subject: "alice", ProviderSession: "s1"}}},
		"the session of an address":       {object{"format": "complex", "user": address, "session": opaque}, []session.Word{{Issuer: iss, Email: "alice@example.com", ProviderSession: "s1"}}},
		"of somebody unknown":             {object{"format": "complex", "user": phone, "session": opaque}, nil},
		"of somebody elsewhere":           {object{"format": "complex", "user": foreign, "session": opaque}, nil},
		"a session that is not ours":      {object{"format": "complex", "user": issSub, "session": foreign}, nil},
		"a user's device":                 {object{"format": "complex", "user": issSub, "device": opaque, "tenant": opaque}, []session.Word{alice}},
		"a device":                        {object{"format": "complex", "device": opaque}, nil},
		"a user by several names":         {object{"format": "complex", "user": object{"format": "aliases", "identifiers": []any{issSub, address}}}, []session.Word{alice, byMail}},
		"a member that nobody here knows": {object{"format": "complex", "user": issSub, "robot": phone}, []session.Word{alice}},
	} {
		c := s.event(caep+"session-revoked", object{})
		c["sub_id"] = row.subject
		got, err := s.Verify(t.Context(), s.sign(c))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for i := range row.want {
			row.want[i].At = s.now
		}
		if about := got.Events[0].About; len(about)+len(row.want) > 0 && !reflect.DeepEqual(about, row.want) {
			t.Errorf("%s: about %+v, want %+v", name, about, row.want)
		}
	}
}

// Only of a session that was revoked an opaque id can be the session itself.
func TestAnOpaqueSubjectOfAnotherEventIsAUser(t *testing.T) {
	t.Parallel()
	s := newStation(t, Issuers{})
	c := s.event(risc+"account-disabled", object{"reason": "hijacking"})
	c["sub_id"] = opaque
	got, err := s.Verify(t.Context(), s.sign(c))
	if want := (session.Word{Issuer: "https://id.example.com/", Subject: "s1", At: s.now}); err != nil || len(got.Events[0].About) != 1 || got.Events[0].About[0] != want {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestASubjectIsOfTheProviderByEachOfItsNames(t *testing.T) {
	t.Parallel()
	const of = "https://id.example.com/"
	for name, row := range map[string]struct {
		issuers   Issuers
		iss, want string
	}{
		"another spelling":       {Issuers{Also: []string{"id.example.com"}}, "id.example.com", of},
		"without its slash":      {Issuers{AnySlash: true}, "https://id.example.com", of},
		"but not if that counts": {Issuers{}, "https://id.example.com", ""},
		"a tenant":               {Issuers{Tenants: []string{"t1"}, Template: "https://id.example.com/{tenantid}/v2.0"}, "https://id.example.com/t1/v2.0", "https://id.example.com/t1/v2.0"},
		"another tenant":         {Issuers{Tenants: []string{"t1"}, Template: "https://id.example.com/{tenantid}/v2.0"}, "https://id.example.com/t2/v2.0", ""},
	} {
		s := newStation(t, row.issuers)
		c := s.event(caep+"session-revoked", object{})
		c["sub_id"] = object{"format": "iss_sub", "iss": row.iss, "sub": "alice"}
		got, err := s.Verify(t.Context(), s.sign(c))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		about := got.Events[0].About
		if row.want == "" != (len(about) == 0) || row.want != "" && about[0].Issuer != row.want {
			t.Errorf("%s: about %+v", name, about)
		}
	}
}

// A sid is one tenant's alone.
func TestAUsersSessionIsOfTheUsersTenant(t *testing.T) {
	t.Parallel()
	s := newStation(t, Issuers{Tenants: []string{"t1", "t2"}, Template: "https://id.example.com/{tenantid}/v2.0"})
	c := s.event(caep+"session-revoked", object{})
	c["sub_id"] = object{"format": "complex", "user": object{"format": "iss_sub", "iss": "https://id.example.com/t2/v2.0", "sub": "alice"}, "session": opaque}
	got, err := s.Verify(t.Context(), s.sign(c))
	want := session.Word{Issuer: "https://id.example.com/t2/v2.0", Subject: "alice", ProviderSession: "s1", At: s.now}
	if err != nil || len(got.Events[0].About) != 1 || got.Events[0].About[0] != want {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestMalformedSubjectsAreRefused(t *testing.T) {
	t.Parallel()
	s := newStation(t, Issuers{})
	many := make([]any, mostAliases+1)
	for i := range many {
		many[i] = address
	}
	for name, subject := range map[string]any{
		"a text":                       "alice",
		"null":                         nil,
		"a list":                       []any{issSub},
		"without a format":             object{"email": "alice@example.com"},
		"with a format of a number":    object{"format": 1},
		"iss_sub without iss":          object{"format": "iss_sub", "sub": "alice"},
		"iss_sub without sub":          object{"format": "iss_sub", "iss": "https://id.example.com/"},
		"iss_sub with an empty sub":    object{"format": "iss_sub", "iss": "https://id.example.com/", "sub": ""},
		"email without one":            object{"format": "email"},
		"an id of a number":            object{"format": "opaque", "id": 1},
		"complex and empty":            object{"format": "complex"},
		"complex with a text":          object{"format": "complex", "user": "alice"},
		"complex in complex":           object{"format": "complex", "user": object{"format": "complex", "user": issSub}},
		"complex with a bad device":    object{"format": "complex", "user": issSub, "device": object{"format": "opaque"}},
		"aliases without any":          object{"format": "aliases", "identifiers": []any{}},
		"aliases that are no list":     object{"format": "aliases", "identifiers": issSub},
		"aliases of a text":            object{"format": "aliases", "identifiers": []any{"alice"}},
		"aliases of something bad":     object{"format": "aliases", "identifiers": []any{issSub, object{"format": "email"}}},
		"aliases in aliases":           object{"format": "aliases", "identifiers": []any{object{"format": "aliases", "identifiers": []any{issSub}}}},
		"more aliases than anyone has": object{"format": "aliases", "identifiers": many},
	} {
		c := s.event(caep+"session-revoked", object{})
		c["sub_id"] = subject
		_, err := s.Verify(t.Context(), s.sign(c))
		t.Log(name)
		wantCode(t, err, InvalidRequest)
		if err != nil && !strings.Contains(err.Error(), "sub_id: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
