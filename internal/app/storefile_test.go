package app

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/config"
	"github.com/cloakroom-bff/cloakroom/internal/telemetry"
	"github.com/cloakroom-bff/cloakroom/session"
)

// file is the gateway's store as commands see it.
func (h *house) file() *StoreFile {
	h.t.Helper()
	cfg, _, err := config.Load(filepath.Join(h.dir, "config.yaml"), nil)
	if err != nil {
		h.t.Fatal(err)
	}
	f, err := NewStoreFile(cfg)
	if err != nil {
		h.t.Fatal(err)
	}
	return f
}

// ask gets the file as a client of the admin listener does.
func (h *house) ask(ctx context.Context, to func(int64) (io.Writer, error)) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+h.app.AdminAddr().String()+"/backup", nil)
	if err != nil {
		return err
	}
	res, err := (&http.Client{}).Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return errors.New(res.Status)
	}
	w, err := to(res.ContentLength)
	if err == nil {
		_, err = io.Copy(w, res.Body)
	}
	return err
}

// logout is the button of the page.
func (h *house) logout(c *http.Client) {
	h.t.Helper()
	req, err := http.NewRequestWithContext(h.t.Context(), http.MethodPost, h.origin+"/bff/logout", nil)
	if err != nil {
		h.t.Fatal(err)
	}
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	req.Header.Set("Sec-Fetch-Mode", "cors")
	if status, body := h.do(c, req); status != http.StatusOK {
		h.t.Fatalf("the logout got %d %s", status, body)
	}
}

// revoked waits until the provider has heard of so many revocations.
func (h *house) revoked(n int) {
	h.t.Helper()
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for range 1000 {
		if h.provider.Stats().Revocations >= n {
			return
		}
		<-again.C
	}
	h.t.Fatal("nothing was revoked")
}

func TestARestoreBringsBackWhoLivesAndNobodyWhoHasSignedOut(t *testing.T) {
	h := newHouse(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) },
		`  - {path: /bare/, upstream: "UPSTREAM", token: none}`)
	stays, leaves, young := browser(t), browser(t), browser(t)
	h.signIn(stays)
	h.signIn(leaves)
	backup := filepath.Join(t.TempDir(), "backup.db")
	var done, of int64
	f := h.file()
	f.Progress = func(d, o int64) { done, of = d, o }
	saved, err := f.Backup(t.Context(), backup, false, h.ask)
	if err != nil || !saved.Online || done != of || done != saved.Bytes {
		t.Fatalf("%+v, %d of %d bytes, %v", saved, done, of, err)
	}
	at, err := url.Parse(h.origin)
	if err != nil {
		t.Fatal(err)
	}
	copied := leaves.Jar.Cookies(at)
	h.logout(leaves)
	leaves.Jar.SetCookies(at, copied) // Somebody has a copy of the ticket.
	h.signIn(young)
	h.revoked(1)
	h.halt()

	restored, err := f.Restore(t.Context(), backup, false)
	if err != nil || restored.Live != 2 || restored.Kept == "" {
		t.Fatalf("%+v, %v", restored, err)
	}
	h.start()
	if status, body := h.call(leaves, "/bare/"); status != http.StatusUnauthorized || !strings.Contains(body, "session_expired") {
		t.Errorf("who has signed out got %d %s", status, body)
	}
	if status, body := h.call(stays, "/bare/"); status != http.StatusOK {
		t.Errorf("who has not got %d %s", status, body)
	}
	if status, body := h.call(stays, "/api/orders"); status != http.StatusOK {
		t.Errorf("who has not got %d %s", status, body)
	}
	if status, body := h.call(young, "/api/orders"); status != http.StatusUnauthorized || !strings.Contains(body, "no_session") {
		t.Errorf("who has signed in since got %d %s", status, body)
	}
}

func TestARestoreWithoutTheKeysOfThenChangesNothingUnlessAsked(t *testing.T) {
	h := newHouse(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	h.signIn(browser(t))
	h.halt()
	f, backup := h.file(), filepath.Join(t.TempDir(), "backup.db")
	if saved, err := f.Backup(t.Context(), backup, false, nil); err != nil || saved.Online {
		t.Fatalf("%+v, %v", saved, err)
	}
	before, err := os.ReadFile(f.Path())
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(h.dir, "config.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	other := strings.Replace(string(text), firstKey, `"`+config.NewKey()+`"`, 1)
	if err := os.WriteFile(filepath.Join(h.dir, "config.yaml"), []byte(other), 0o600); err != nil {
		t.Fatal(err)
	}
	f = h.file()
	if _, err := f.Restore(t.Context(), backup, false); !errors.Is(err, ErrSealed) {
		t.Errorf("got %v", err)
	}
	if after, err := os.ReadFile(f.Path()); err != nil || string(after) != string(before) {
		t.Errorf("the store has changed, %v", err)
	}
	if done, err := f.Restore(t.Context(), backup, true); err != nil || done.Sealed == 0 || done.Live != 0 {
		t.Errorf("%+v, %v", done, err)
	}
}

// torn is a store whose copy breaks off.
type torn struct{ session.Store }

func (torn) Backup(_ context.Context, to func(int64) (io.Writer, error)) error {
	w, err := to(1 << 20)
	if err == nil {
		_, err = w.Write(make([]byte, 100<<10))
	}
	return errors.Join(err, os.ErrClosed)
}

func TestABackupThatBreaksOffLooksLikeNone(t *testing.T) {
	log := &safeBuffer{}
	desk := &operators{store: torn{}}
	server := httptest.NewServer((&admin{audit: telemetry.NewAudit(slog.NewJSONHandler(log, nil))}).download("backup", desk.sendBackup))
	defer server.Close()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := server.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if n, err := io.Copy(io.Discard, res.Body); !errors.Is(err, io.ErrUnexpectedEOF) || res.ContentLength != 1<<20 {
		t.Errorf("%d of %d bytes, %v", n, res.ContentLength, err)
	}
	if !strings.Contains(log.String(), `"act":"backup","by":"127.0.0.1","ended":0,"status":503`) {
		t.Errorf("the audit log: %s", log)
	}
}

func TestARedisHasNoFileToSend(t *testing.T) {
	_, store := openOffice(t, "")
	_, err := (&operators{store: struct{ session.Store }{store}}).sendBackup(nil, nil)
	if p := problemOf(err); p.Status != http.StatusBadRequest {
		t.Errorf("got %v", err)
	}
}

func TestABackupIsForOperators(t *testing.T) {
	o, _ := openOffice(t, "open-sesame")
	for _, peer := range []string{near, far} {
		if status, body, _ := o.ask(http.MethodGet, "/backup", peer); status != http.StatusUnauthorized {
			t.Errorf("without the token %s got %d %s", peer, status, body)
		}
	}
	if !strings.Contains(o.log.String(), `"act":"backup","by":"10.0.0.7","ended":0,"status":401`) {
		t.Errorf("the audit log: %s", o.log)
	}
}

func TestABackupOfNothingIsNoFile(t *testing.T) {
	h := newHouse(t, http.NotFound)
	h.halt()
	f, to := h.file(), filepath.Join(t.TempDir(), "backup.db")
	if err := os.Remove(f.Path()); err != nil {
		t.Fatal(err)
	}
	refused := errors.New("nobody answers")
	_, err := f.Backup(t.Context(), to, false, func(context.Context, func(int64) (io.Writer, error)) error { return refused })
	if !errors.Is(err, refused) {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(to); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("there is a file, %v", err)
	}
}
