package telemetry_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"math"
	"testing"
	"testing/slogtest"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/telemetry"
)

// masked prints nothing of itself.
type masked string

func (masked) LogValue() slog.Value { return slog.StringValue("[masked]") }

var at = time.Date(2026, 11, 21, 10, 43, 38, 120_000_000, time.FixedZone("", 3600))

// both writes a record with slog's handler and with ours.
func both(t testing.TB, change func(slog.Handler) slog.Handler, at time.Time, level slog.Level, message string, attrs ...slog.Attr) (want, got string) {
	t.Helper()
	var theirs, ours bytes.Buffer
	for _, h := range []slog.Handler{slog.NewJSONHandler(&theirs, nil), telemetry.NewJSONLog(&ours, nil)} {
		r := slog.NewRecord(at, level, message, 0)
		r.AddAttrs(attrs...)
		if err := change(h).Handle(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	return theirs.String(), ours.String()
}

func as(h slog.Handler) slog.Handler { return h }

func TestALineIsTheOneThatSlogWouldWrite(t *testing.T) {
	for name, attrs := range map[string][]slog.Attr{
		"none":          nil,
		"a request's":   {slog.String("method", "GET"), slog.String("host", "app.example.com"), slog.String("path", "/api/a%20b"), slog.String("route", "/api/"), slog.Int("status", 200), slog.Duration("took", 1234567), slog.String("client", "::1"), slog.String("code", "no_session"), slog.String("error", "plain")},
		"numbers":       {slog.Int64("min", math.MinInt64), slog.Uint64("max", math.MaxUint64), slog.Duration("back", -time.Second)},
		"a fraction":    {slog.Float64("pi", math.Pi)},
		"no number":     {slog.Float64("nan", math.NaN())},
		"truth":         {slog.Bool("yes", true), slog.Bool("no", false)},
		"a name":        {slog.String(`k"k`, "v")},
		"no name":       {slog.String("", "v")},
		"nothing":       {{}},
		"a secret":      {slog.Any("token", masked("s3cret"))},
		"an error":      {slog.Any("err", errors.New(`it "broke"`))},
		"a time":        {slog.Time("at", at)},
		"a group":       {slog.Group("g", slog.Int("a", 1), slog.Group("empty"))},
		"anything":      {slog.Any("list", []int{1, 2}), slog.Any("nil", nil)},
		"twice the key": {slog.Int("a", 1), slog.Int("a", 2)},
	} {
		t.Run(name, func(t *testing.T) {
			for _, change := range []func(slog.Handler) slog.Handler{
				as,
				func(h slog.Handler) slog.Handler { return h.WithAttrs([]slog.Attr{slog.String("app", "x")}) },
				func(h slog.Handler) slog.Handler { return h.WithGroup("g") },
			} {
				for _, message := range []string{"request", "", `a "message"`} {
					if want, got := both(t, change, at, slog.LevelWarn+1, message, attrs...); got != want {
						t.Errorf("got  %swant %s", got, want)
					}
				}
			}
		})
	}
	for _, text := range []string{"", "plain", `"`, `\`, "<a&b>", "a\nb", "\t", "\x00", "\x7f", "äöü", "\u2028", "\xff\xfe", "~ !"} {
		if want, got := both(t, as, at, slog.LevelInfo, text, slog.String("text", text)); got != want {
			t.Errorf("got  %swant %s", got, want)
		}
	}
	for _, odd := range []time.Time{{}, time.Now(), time.Date(12026, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(-1, 1, 1, 0, 0, 0, 0, time.UTC)} {
		if want, got := both(t, as, odd, slog.LevelInfo, "at"); got != want {
			t.Errorf("got  %swant %s", got, want)
		}
	}
}

func FuzzALineIsTheOneThatSlogWouldWrite(f *testing.F) {
	f.Add("request", "path", "/a", int64(7))
	f.Add(`"\`, "ä", "\x00", int64(-1))
	f.Fuzz(func(t *testing.T, message, key, value string, number int64) {
		want, got := both(t, as, at, slog.Level(number%20), message, slog.String(key, value), slog.Int64(value, number))
		if got != want {
			t.Errorf("got  %swant %s", got, want)
		}
	})
}

func TestTheJSONLogIsAHandlerAsSlogWantsIt(t *testing.T) {
	var out bytes.Buffer
	err := slogtest.TestHandler(telemetry.NewJSONLog(&out, nil), func() []map[string]any {
		var lines []map[string]any
		dec := json.NewDecoder(&out)
		for {
			var line map[string]any
			if err := dec.Decode(&line); err != nil {
				return lines
			}
			lines = append(lines, line)
		}
	})
	if err != nil {
		t.Error(err)
	}
}

func TestTheLevelIsKept(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(telemetry.NewJSONLog(&out, slog.LevelWarn))
	log.Info("quiet")
	log.With("a", 1).Info("quiet")
	if out.Len() > 0 {
		t.Errorf("written: %s", out.String())
	}
}

func BenchmarkLine(b *testing.B) {
	nowhere := io.Discard
	for name, h := range map[string]slog.Handler{"slog": slog.NewJSONHandler(nowhere, nil), "ours": telemetry.NewJSONLog(nowhere, nil)} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r := slog.NewRecord(at, slog.LevelInfo, "request", 0)
				r.AddAttrs(slog.String("method", "GET"), slog.String("host", "app.example.com"), slog.String("path", "/api/orders/42"),
					slog.String("route", "/api/"), slog.Int("status", 200), slog.Duration("took", 1234567), slog.String("client", "127.0.0.1"))
				_ = h.Handle(b.Context(), r)
			}
		})
	}
}
