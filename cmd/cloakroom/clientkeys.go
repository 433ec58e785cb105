package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cloakroom-bff/cloakroom/internal/clientkey"
)

// newClientKey is what `keys client` was asked for.
type newClientKey struct {
	alg, out, name   string
	certificate, add bool
	days             int
}

func (s *surroundings) clientKeysCommand() *cobra.Command {
	var want newClientKey
	cmd := &cobra.Command{
		Use:   "client",
		Short: "Make a key that the gateway proves itself with at the provider",
		Long: "Make a key pair for provider.client_key_file. The private key goes into a file that only its\n" +
			"owner may read; the public keys of that file are printed as a JWK set, to be registered at the\n" +
			"provider. With --certificate the file is PEM with a certificate that the key has signed itself,\n" +
			"for mutual TLS (self_signed_tls_client_auth, sender_constrained: mtls).\n\n" +
			"To rotate, put a second key behind the first one with --add, wait until the provider knows it,\n" +
			"move it to the front, and take the old one out. The running gateway takes each change over.",
		Example: "  cloakroom keys client > registration.json\n" +
			"  cloakroom keys client --alg PS256 --out /run/secrets/client.json\n" +
			"  cloakroom keys client --certificate --name app.example.com --out client.pem\n" +
			"  cloakroom keys client --add --out client.json",
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return s.makeClientKey(want) },
	}
	f := cmd.Flags()
	f.StringVar(&want.alg, "alg", clientkey.Algorithms()[0], "what the key signs with: "+strings.Join(clientkey.Algorithms(), ", "))
	f.StringVar(&want.out, "out", "", "the file of the private key (default client.json, or client.pem with --certificate)")
	f.BoolVar(&want.add, "add", false, "put the key behind those that the file has already")
	f.BoolVar(&want.certificate, "certificate", false, "make a self-signed certificate, too")
	f.StringVar(&want.name, "name", "cloakroom", "the certificate's subject (common name)")
	f.IntVar(&want.days, "days", 365, "how long the certificate holds")
	return cmd
}

func (s *surroundings) makeClientKey(want newClientKey) error {
	switch {
	case !slices.Contains(clientkey.Algorithms(), want.alg):
		return &usageError{fmt.Errorf("keys client: --alg %s is not known: write one of %s", want.alg, strings.Join(clientkey.Algorithms(), ", "))}
	case want.days < 1 || want.days > 36500:
		return &usageError{errors.New("keys client: --days is a number of days from 1 to 36500")}
	case want.out == "" && want.certificate:
		want.out = "client.pem"
	case want.out == "":
		want.out = "client.json"
	}
	var before []byte
	if want.add {
		var err error
		if before, err = os.ReadFile(want.out); err != nil {
			return &usageError{fmt.Errorf("keys client: --add: %w", err)}
		}
	}
	private, err := want.make(before)
	if err != nil {
		return &usageError{fmt.Errorf("keys client: %s: %w", want.out, err)}
	}
	set, err := clientkey.Parse(private)
	if err != nil {
		return fmt.Errorf("keys client: %w", err)
	}
	if err := want.write(private); err != nil {
		return err
	}
	public, err := set.Public()
	if err != nil {
		return fmt.Errorf("keys client: %w", err)
	}
	return printJSON(s.stdout, map[string][]json.RawMessage{"keys": public})
}

// make returns the file with the new key in it.
func (want *newClientKey) make(before []byte) ([]byte, error) {
	if !want.certificate {
		return clientkey.New(want.alg, before)
	}
	if bytes.HasPrefix(bytes.TrimSpace(before), []byte("{")) {
		return nil, errors.New("it has JSON Web Keys, and a certificate goes with PEM: name another file")
	}
	pair, err := clientkey.NewCertificate(want.alg, want.name, time.Now(), time.Duration(want.days)*24*time.Hour)
	if err != nil {
		return nil, err
	}
	if len(before) > 0 && !bytes.HasSuffix(before, []byte("\n")) {
		before = append(before, '\n')
	}
	return append(before, pair...), nil
}

// write overwrites no file that it was not told to: a key that is gone has to be registered
// anew.
func (want *newClientKey) write(private []byte) error {
	if want.add {
		return want.replace(private)
	}
	f, err := os.OpenFile(want.out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return &usageError{fmt.Errorf("keys client: %s is there already: name another file, or write --add to put a key behind those in it", want.out)}
	}
	if err != nil {
		return fmt.Errorf("keys client: %w", err)
	}
	_, err = f.Write(private)
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("keys client: %w", err)
	}
	return nil
}

// replace puts a whole file in the place of another, which a running gateway reads at any time.
func (want *newClientKey) replace(private []byte) error {
	fresh, err := os.CreateTemp(filepath.Dir(want.out), ".client-key-*") // readable for its owner alone
	if err != nil {
		return fmt.Errorf("keys client: %w", err)
	}
	defer func() { _ = os.Remove(fresh.Name()) }() // it is gone if all went well
	_, err = fresh.Write(private)
	if err = errors.Join(err, fresh.Sync(), fresh.Close()); err == nil {
		err = os.Rename(fresh.Name(), want.out)
	}
	if err != nil {
		return fmt.Errorf("keys client: %w", err)
	}
	return nil
}
