package telemetry_test

import (
	"bytes"
	"io"
	"log/slog"
	"math"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/telemetry"
	"github.com/cloakroom-bff/cloakroom/proxy"
)

// usual is the line of most requests.
func usual() proxy.Line {
	return proxy.Line{
		At: time.Date(2026, 11, 21, 10, 43, 38, 120_000_000, time.FixedZone("", 3600)), Level: slog.LevelInfo,
		Method: "GET", Host: "app.example.com", Path: "/api/orders/42", Route: "/api/", Status: 200, Took: 1234567, Client: "127.0.0.1",
	}
}

// isSlogs checks that a line is, byte for byte, the one that slog's handler writes.
func isSlogs(t *testing.T, line proxy.Line) {
	t.Helper()
	var want, got bytes.Buffer
	if err := slog.NewJSONHandler(&want, nil).Handle(t.Context(), line.Record()); err != nil {
		t.Fatal(err)
	}
	if err := telemetry.NewJSONLog(&got, nil).HandleLine(t.Context(), line); err != nil {
		t.Fatal(err)
	}
	if got.String() != want.String() {
		t.Errorf("got  %swant %s", got.String(), want.String())
	}
}

func TestALineIsTheOneThatSlogWouldWrite(t *testing.T) {
	for name, change := range map[string]func(*proxy.Line){
		"the usual one": func(*proxy.Line) {},
		"nothing":       func(l *proxy.Line) { *l = proxy.Line{} },
		"a code":        func(l *proxy.Line) { l.Code, l.Status = "no_session", 401 },
		"an error":      func(l *proxy.Line) { l.Code, l.Error = "upstream_unreachable", "dial tcp: refused" },
		"a warning":     func(l *proxy.Line) { l.Level = slog.LevelWarn },
		"another level": func(l *proxy.Line) { l.Level = slog.LevelWarn + 1 },
		"numbers":       func(l *proxy.Line) { l.Status, l.Took = math.MaxInt, math.MinInt64 },
	} {
		t.Run(name, func(t *testing.T) {
			line := usual()
			change(&line)
			isSlogs(t, line)
		})
	}
	for _, odd := range []time.Time{time.Now(), time.Unix(0, 0), time.Date(12026, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(-1, 1, 1, 0, 0, 0, 0, time.UTC)} {
		line := usual()
		line.At = odd
		isSlogs(t, line)
	}
}

func TestALineThatNeedsAnEscapeIsSlogsToo(t *testing.T) {
	for _, text := range []string{"", "plain", `"`, `\`, "<a&b>", "a\nb", "\t", "\x00", "\x7f", "äöü", "\u2028", "\xff\xfe", "~ !"} {
		for _, change := range []func(*proxy.Line){
			func(l *proxy.Line) { l.Method = text },
			func(l *proxy.Line) { l.Host = text },
			func(l *proxy.Line) { l.Path = text },
			func(l *proxy.Line) { l.Route = text },
			func(l *proxy.Line) { l.Client = text },
			func(l *proxy.Line) { l.Code = text },
			func(l *proxy.Line) { l.Error = text },
		} {
			line := usual()
			change(&line)
			isSlogs(t, line)
		}
	}
}

func FuzzALineIsTheOneThatSlogWouldWrite(f *testing.F) {
	f.Add("GET", "/a", "", "", int64(7))
	f.Add(`"\`, "ä", "\x00", "<", int64(-1))
	f.Fuzz(func(t *testing.T, method, path, code, text string, number int64) {
		line := usual()
		line.Method, line.Path, line.Code, line.Error = method, path, code, text
		line.Level, line.Status, line.Took = slog.Level(number%20), int(number), time.Duration(number)
		isSlogs(t, line)
	})
}

func TestALineAllocatesNothing(t *testing.T) {
	log, line := telemetry.NewJSONLog(io.Discard, nil), usual()
	_ = log.HandleLine(t.Context(), line) // the first one makes the buffer
	if n := testing.AllocsPerRun(100, func() { _ = log.HandleLine(t.Context(), line) }); n > 0 {
		t.Errorf("%v allocations, want none", n)
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
	line, nowhere := usual(), io.Discard
	b.Run("slog", func(b *testing.B) {
		h := slog.NewJSONHandler(nowhere, nil)
		b.ReportAllocs()
		for b.Loop() {
			_ = h.Handle(b.Context(), line.Record())
		}
	})
	b.Run("ours", func(b *testing.B) {
		h := telemetry.NewJSONLog(io.Discard, nil)
		b.ReportAllocs()
		for b.Loop() {
			_ = h.HandleLine(b.Context(), line)
		}
	})
}
