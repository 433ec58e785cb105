package report

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// Point is one value of a series.
type Point struct{ X, Y float64 }

// Series is one line.
type Series struct {
	Name   string
	Points []Point // by X
}

// Places in a plot of lines.
const (
	linesLeft   = 84
	linesRight  = 660
	linesTop    = 64
	linesBottom = 400
)

// Lines draws series over two logarithmic axes: what grows alike runs alike. All values are
// above zero. The names stand at the right, where the lines end.
func Lines(c Chart, series []Series) string {
	x, y := spans(series)
	p := newPlot(c, 462)
	for _, v := range x.ticks() {
		p.line("grid", x.at(v), linesTop, x.at(v), linesBottom)
		p.text("tick", x.at(v), linesBottom+20, number(v))
	}
	for _, v := range y.ticks() {
		p.line("grid", linesLeft, y.at(v), linesRight, y.at(v))
		p.text("left", linesLeft-8, y.at(v)+4, number(v))
	}
	p.text("label", (linesLeft+linesRight)/2, linesBottom+44, c.X)
	fmt.Fprintf(&p.body, `  <text class="label" transform="translate(26 %d) rotate(-90)">%s</text>`+"\n", (linesTop+linesBottom)/2, html.EscapeString(c.Y))
	for i, s := range series {
		p.series(i, s, x, y)
	}
	p.names(series, y)
	return p.String()
}

// colour is that of the series at a place; the first is the product's.
func colour(i int) string {
	names := []string{"coat", "brass", "rust", "sky", "plum", "soft"}
	return "var(--" + names[i%len(names)] + ")"
}

func (p *plot) series(i int, s Series, x, y axis) {
	var path strings.Builder
	for n, at := range s.Points {
		command := "L"
		if n == 0 {
			command = "M"
		}
		fmt.Fprintf(&path, "%s%.1f %.1f", command, x.at(at.X), y.at(at.Y))
	}
	fmt.Fprintf(&p.body, `  <path class="series" style="stroke: %s" d="%s"/>`+"\n", colour(i), path.String())
	for _, at := range s.Points {
		fmt.Fprintf(&p.body, `  <circle style="fill: %s" cx="%.1f" cy="%.1f" r="3.5"/>`+"\n", colour(i), x.at(at.X), y.at(at.Y))
	}
}

// names writes each series' name as near to its end as the others leave room.
func (p *plot) names(series []Series, y axis) {
	const least = 19.0
	var taken []float64
	for i, s := range series {
		at := y.at(s.Points[len(s.Points)-1].Y) + 4
		for step := 0.0; ; step += 2 {
			if free(taken, at-step, least) && at-step > linesTop {
				at -= step
				break
			}
			if free(taken, at+step, least) {
				at += step
				break
			}
		}
		taken = append(taken, at)
		fmt.Fprintf(&p.body, `  <text style="fill: %s" x="%d" y="%.1f">%s</text>`+"\n", colour(i), linesRight+14, at, html.EscapeString(s.Name))
	}
}

func free(taken []float64, at, least float64) bool {
	for _, t := range taken {
		if math.Abs(t-at) < least {
			return false
		}
	}
	return true
}

// spans are axes that hold all points, the upright one with some room.
func spans(series []Series) (x, y axis) {
	x = axis{from: math.Inf(1), start: linesLeft, end: linesRight, log: true}
	y = axis{from: math.Inf(1), start: linesBottom, end: linesTop, log: true}
	for _, s := range series {
		for _, at := range s.Points {
			x.from, x.to = min(x.from, at.X), max(x.to, at.X)
			y.from, y.to = min(y.from, at.Y), max(y.to, at.Y)
		}
	}
	// Less than one power of ten would make much of little.
	room := max(1.3, math.Sqrt(10/(y.to/y.from)))
	y.from, y.to = y.from/room, y.to*room
	if x.to <= x.from {
		x.to = x.from * 10
	}
	return x, y
}
