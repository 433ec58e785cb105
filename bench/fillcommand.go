package main

import (
	"context"
	"errors"
	"flag"
	"io"
	"strings"

	"github.com/cloakroom-bff/cloakroom/bench/fill"
)

// fillCommand puts sessions into a store and prints their tickets.
func fillCommand(ctx context.Context, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("bench fill", flag.ContinueOnError)
	f := fill.Filling{}
	flags.StringVar(&f.Store, "store", "", "the session.store to fill: bolt:PATH or a Redis URL")
	keys := flags.String("keys", "", "its session.keys, with commas between them")
	flags.StringVar(&f.Issuer, "issuer", "", "the gateway's provider.issuer")
	flags.StringVar(&f.Client, "client", "", "the gateway's provider.client_id")
	flags.IntVar(&f.Sessions, "n", 1000, "how many sessions")
	flags.DurationVar(&f.TokenLife, "token-life", 0, "how long their access tokens hold; 0: a day")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if f.Store == "" || *keys == "" {
		return errors.New("name what to fill: -store bolt:sessions.db -keys KEY -issuer URL -client ID")
	}
	f.Keys = strings.Split(*keys, ",")
	return f.Run(ctx, stdout)
}
