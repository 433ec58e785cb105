package oidc_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestAClientInThePlaceOfAnotherWorksWhileTheProviderIsAway(t *testing.T) {
	t.Parallel()
	var server *httptest.Server
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(t, w, http.StatusOK, metadata(server.URL))
	}))
	old := newClient(t, server.URL)
	if err := old.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	server.Close()
	next := newClient(t, server.URL)
	next.Inherit(old)
	if err := next.Ready(); err != nil {
		t.Error(err)
	}
	if _, err := next.AuthorizationURL(t.Context(), attempt()); err != nil {
		t.Error(err)
	}
}

func TestAClientInheritsNothingOfAnotherProvider(t *testing.T) {
	t.Parallel()
	var server *httptest.Server
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(t, w, http.StatusOK, metadata(server.URL))
	}))
	t.Cleanup(server.Close)
	old := newClient(t, server.URL)
	if err := old.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	next := newClient(t, server.URL+"/tenant")
	next.Inherit(old)
	if next.Ready() == nil {
		t.Error("another issuer's metadata are used")
	}
}
