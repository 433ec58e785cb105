package report

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// Chart is what every plot has.
type Chart struct {
	Title string // above it
	Text  string // for those who do not see it
	X, Y  string // what the axes count; bars have X alone
}

// Bar is one value in a row of them.
type Bar struct {
	Name  string
	Value float64
	Own   bool // of this product
}

// Sizes in a plot.
const (
	width     = 960
	margin    = 24
	barHeight = 30
	namesEnd  = 360
	headEnd   = 72
)

// Bars draws one horizontal bar for each value, in the order that they come in.
func Bars(c Chart, bars []Bar) string {
	most := 0.0
	for _, b := range bars {
		most = max(most, b.Value)
	}
	bottom := headEnd + barHeight*len(bars)
	x := axis{from: 0, to: most * 1.08, start: namesEnd, end: width - margin}
	p := newPlot(c, bottom+58)
	for _, v := range x.ticks() {
		p.line("grid", x.at(v), headEnd-6, x.at(v), float64(bottom))
		p.text("tick", x.at(v), float64(bottom)+18, number(v))
	}
	p.text("label", float64(namesEnd+width-margin)/2, float64(bottom)+42, c.X)
	for i, b := range bars {
		y := float64(headEnd + barHeight*i)
		class := "bar"
		if b.Own {
			class = "bar own"
		}
		fmt.Fprintf(&p.body, `  <rect class="%s" x="%d" y="%.1f" width="%.1f" height="%d" rx="3"/>`+"\n", class, namesEnd, y+4, max(x.at(b.Value)-namesEnd, 1), barHeight-8)
		p.text("name", namesEnd-10, y+20, b.Name)
		p.text("value", x.at(b.Value)+6, y+20, number(b.Value))
	}
	return p.String()
}

// plot is a drawing that grows.
type plot struct {
	chart  Chart
	height int
	body   strings.Builder
}

func newPlot(c Chart, height int) *plot { return &plot{chart: c, height: height} }

func (p *plot) line(class string, x1, y1, x2, y2 float64) {
	fmt.Fprintf(&p.body, `  <line class="%s" x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f"/>`+"\n", class, x1, y1, x2, y2)
}

func (p *plot) text(class string, x, y float64, text string) {
	fmt.Fprintf(&p.body, `  <text class="%s" x="%.1f" y="%.1f">%s</text>`+"\n", class, x, y, html.EscapeString(text))
}

// frame is around every drawing: its colours are those of the other pictures, by day and
// by night.
const frame = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" aria-labelledby="title text" font-family="ui-sans-serif, system-ui, 'Segoe UI', Helvetica, Arial, sans-serif">
  <title id="title">%s</title>
  <desc id="text">%s</desc>
  <style>
    :root { --ink: #22302c; --soft: #5d6b66; --wall: #d8d2c4; --paper: #fbf9f4; --brass: #a8731c; --coat: #1f5a4a; --rust: #a0492f; --sky: #3d6f9c; --plum: #7a5591; }
    @media (prefers-color-scheme: dark) {
      :root { --ink: #ece7da; --soft: #a3aca7; --wall: #3a443f; --paper: #161c1a; --brass: #dba94f; --coat: #4fae92; --rust: #d98063; --sky: #7fb0dd; --plum: #b995d0; }
    }
    .ground { fill: var(--paper); stroke: var(--wall); }
    .grid { stroke: var(--wall); stroke-width: 1; }
    .bar { fill: var(--soft); opacity: .75; }
    .own { fill: var(--coat); opacity: 1; }
    .series { fill: none; stroke-width: 2.25; }
    text { fill: var(--ink); font-size: 13px; }
    .head { font-size: 16px; font-weight: 600; }
    .name { text-anchor: end; }
    .tick { fill: var(--soft); text-anchor: middle; }
    .left { fill: var(--soft); text-anchor: end; }
    .label { fill: var(--soft); text-anchor: middle; }
    .value { fill: var(--soft); }
  </style>
  <rect class="ground" x="0.5" y="0.5" width="%d" height="%d" rx="10"/>
  <text class="head" x="%d" y="36">%s</text>
`

// String is the file's content.
func (p *plot) String() string {
	title := html.EscapeString(p.chart.Title)
	head := fmt.Sprintf(frame, width, p.height, title, html.EscapeString(p.chart.Text), width-1, p.height-1, margin, title)
	return head + p.body.String() + "</svg>\n"
}

// axis maps values to places.
type axis struct {
	from, to   float64 // values; from is above zero where it is logarithmic
	start, end float64 // places
	log        bool
}

func (a axis) at(v float64) float64 {
	from, to := a.from, a.to
	if a.log {
		v, from, to = math.Log(v), math.Log(from), math.Log(to)
	}
	return a.start + (v-from)/(to-from)*(a.end-a.start)
}

// ticks are round values along the axis: a handful, or where it is logarithmic 1, 2 and 5
// of each power of ten, or 1 alone if that is enough.
func (a axis) ticks() (values []float64) {
	if a.log {
		steps := []float64{1, 2, 5}
		if a.to/a.from > 500 {
			steps = steps[:1]
		}
		for power := math.Pow(10, math.Floor(math.Log10(a.from))); power <= a.to; power *= 10 {
			for _, s := range steps {
				if v := s * power; v >= a.from*0.999 && v <= a.to*1.001 {
					values = append(values, v)
				}
			}
		}
		return values
	}
	step := math.Pow(10, math.Floor(math.Log10((a.to-a.from)/4)))
	for _, s := range []float64{5, 2} {
		if (a.to-a.from)/(step*s) >= 4 {
			step *= s
			break
		}
	}
	for v := math.Ceil(a.from/step) * step; v <= a.to; v += step {
		values = append(values, v)
	}
	return values
}

// number is a value as people write it.
func number(v float64) string {
	switch {
	case v >= 1000:
		return Thousands(int(math.Round(v)))
	case v >= 100 || v == math.Trunc(v):
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return strings.TrimRight(strings.TrimRight(fmt.Sprintf("%.2f", v), "0"), ".")
}
