package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
)

// data is what was scraped, in Prometheus' storage.
type data struct {
	db       *tsdb.DB
	from, to time.Time
	series   int
	native   int
	seen     map[string]bool
}

// load stores the scrapes, one for each step.
func load(ctx context.Context, dir string, step time.Duration, scrapes []string) (*data, error) {
	if len(scrapes) < 2 {
		return nil, errors.New("two scrapes at least are needed: rates are between two")
	}
	db, err := tsdb.Open(dir, nil, nil, tsdb.DefaultOptions(), nil)
	if err != nil {
		return nil, err
	}
	d := &data{db: db, seen: make(map[string]bool), from: time.Now().Truncate(time.Minute).Add(-time.Hour)}
	for i, name := range scrapes {
		d.to = d.from.Add(time.Duration(i) * step)
		if err := d.add(ctx, name); err != nil {
			return nil, errors.Join(fmt.Errorf("%s: %w", name, err), db.Close())
		}
	}
	return d, nil
}

// add stores one scrape, as it would be by the job cloakroom.
func (d *data) add(ctx context.Context, name string) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	mediaType, options := "text/plain", textparse.ParserOptions{}
	if strings.HasSuffix(name, ".pb") {
		mediaType, options.KeepClassicOnClassicAndNativeHistograms = "application/vnd.google.protobuf", true
	}
	p, err := textparse.New(text, mediaType, labels.NewSymbolTable(), options)
	if err != nil {
		return err
	}
	to := d.db.Appender(ctx)
	if err := d.read(p, to); err != nil {
		return errors.Join(err, to.Rollback())
	}
	up := labels.FromStrings(labels.MetricName, "up", "job", job, "instance", instance)
	if _, err := to.Append(0, up, d.to.UnixMilli(), 1); err != nil {
		return errors.Join(err, to.Rollback())
	}
	return to.Commit()
}

// The labels that a scrape gets.
const job, instance = "cloakroom", "127.0.0.1:9090"

func (d *data) read(p textparse.Parser, to storage.Appender) error {
	at := d.to.UnixMilli()
	for {
		entry, err := p.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		var own labels.Labels
		switch entry {
		case textparse.EntrySeries:
			_, _, value := p.Series()
			p.Labels(&own)
			_, err = to.Append(0, d.scraped(own), at, value)
		case textparse.EntryHistogram:
			_, _, h, fh := p.Histogram()
			p.Labels(&own)
			key := own.String() + " native"
			if !d.seen[key] {
				d.seen[key] = true
				d.native++
			}
			_, err = to.AppendHistogram(0, d.scraped(own), at, h, fh)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", own, err)
		}
	}
}

// scraped adds the labels of the job.
func (d *data) scraped(own labels.Labels) labels.Labels {
	if key := own.String(); !d.seen[key] {
		d.seen[key] = true
		d.series++
	}
	b := labels.NewBuilder(own)
	b.Set("job", job)
	b.Set("instance", instance)
	return b.Labels()
}
