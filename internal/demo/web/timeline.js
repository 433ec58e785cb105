// The timeline: three lanes that run to the left. Token lifetimes on top, refreshes in the
// middle, calls below; an outage shades all three. Four fifths are past, one fifth is what
// the current token still has before it.

const svgns = "http://www.w3.org/2000/svg";
const height = 168;
const lanes = { tokens: 34, refreshes: 74, calls: 148 };
const labels = [["Tokens", lanes.tokens - 16], ["Refreshes", lanes.refreshes - 15], ["Calls", 104]];
const outage = 20_000;
const bin = 500; // calls of half a second share a bar

function shape(name, attributes, kind) {
  const node = document.createElementNS(svgns, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, String(value));
  if (kind) node.setAttribute("class", kind);
  return node;
}

export class Timeline {
  #calls = []; // {at, kind}, oldest first
  #tokens = []; // {from, to}, oldest first
  #svg = shape("svg", { height, preserveAspectRatio: "none" });
  #host;

  constructor(host) {
    this.#host = host;
    host.replaceChildren(this.#svg);
  }

  /** Notes a call; kind is "ok", "wait" or "bad". */
  call(at, kind) {
    this.#calls.push({ at, kind });
  }

  /** Notes the lifetime of the token that is held now. */
  token(from, to) {
    const last = this.#tokens.at(-1);
    if (last?.from === from) {
      last.to = to;
      return;
    }
    if (last) last.to = Math.min(last.to, from);
    this.#tokens.push({ from, to });
  }

  /** Draws the picture of this moment. */
  draw(events, now) {
    const width = this.#host.clientWidth;
    if (width === 0) return;
    const past = width < 500 ? 36_000 : 64_000;
    const scale = (width * 0.8) / past;
    const x = (at) => width * 0.8 + (at - now) * scale;
    this.#calls = this.#calls.filter((c) => c.at > now - 2 * past);
    this.#tokens = this.#tokens.filter((t) => t.to > now - 2 * past);

    this.#svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.#svg.setAttribute("width", String(width));
    this.#svg.replaceChildren(
      ...this.#outages(events, x, now),
      ...grid(x, now, past, width),
      ...this.#lifetimes(x, now),
      ...refreshes(events, x),
      ...this.#bars(x, now - past),
      ...labels.map(([word, y]) => Object.assign(shape("text", { x: 0, y }, "t-label"), { textContent: word })),
      shape("line", { x1: x(now), x2: x(now), y1: 0, y2: height - 14 }, "t-now"),
      Object.assign(shape("text", { x: x(now), y: height - 2 }, "t-tick t-tick-now"), { textContent: "now" }),
    );
  }

  #outages(events, x, now) {
    return events
      .filter((e) => e.kind === "broken")
      .map((e, i, all) => {
        const next = all[i + 1]?.at ?? Infinity;
        const until = Math.min(e.at + outage, next);
        return shape("rect", { x: x(e.at), width: Math.max(0, x(until) - x(e.at)), y: 0, height: height - 14 }, until > now ? "t-outage t-live" : "t-outage");
      });
  }

  #lifetimes(x, now) {
    const y = lanes.tokens;
    return this.#tokens.flatMap((t) => {
      const seen = Math.min(now, t.to);
      const parts = [shape("rect", { x: x(t.from) + 1, width: Math.max(0, x(seen) - x(t.from) - 1), y: y - 8, height: 10, rx: 2 }, "t-token")];
      if (t.to > now) parts.push(shape("rect", { x: x(now), width: x(t.to) - x(now), y: y - 8, height: 10, rx: 2 }, "t-token t-ahead"));
      return parts;
    });
  }

  #bars(x, since) {
    const bins = new Map();
    for (const c of this.#calls) {
      if (c.at < since) continue;
      const key = Math.floor(c.at / bin);
      const counts = bins.get(key) ?? { ok: 0, wait: 0, bad: 0 };
      counts[c.kind]++;
      bins.set(key, counts);
    }
    return [...bins].flatMap(([key, counts]) => stack(x((key + 0.5) * bin), counts));
  }
}

// A bar's height grows with the logarithm, so that one call shows beside fifty.
function stack(x, counts) {
  const total = counts.ok + counts.wait + counts.bad;
  const tall = 7 + 4.6 * Math.log2(total);
  const parts = [];
  let y = lanes.calls;
  for (const kind of ["ok", "wait", "bad"]) {
    const h = (tall * counts[kind]) / total;
    if (h === 0) continue;
    y -= h;
    parts.push(shape("rect", { x: x - 2.5, width: 5, y, height: h, rx: 1.5 }, `t-call t-${kind}`));
  }
  if (total > 4) parts.push(Object.assign(shape("text", { x, y: y - 4 }, "t-count"), { textContent: String(total) }));
  return parts;
}

function refreshes(events, x) {
  const y = lanes.refreshes;
  return events
    .filter((e) => e.kind === "refreshed" || e.kind === "expired" || e.kind === "signed_in")
    .map((e) => {
      const at = x(e.at);
      if (e.kind === "signed_in") return shape("circle", { cx: at, cy: y, r: 5 }, "t-signed-in");
      if (e.kind === "expired") return shape("path", { d: `M${at} ${lanes.tokens - 12}v18` }, "t-expired");
      if (e.ok) return shape("path", { d: `M${at} ${y - 7}l6 7-6 7-6-7z` }, "t-refresh");
      return shape("path", { d: `M${at - 4} ${y - 4}l8 8m0-8l-8 8` }, "t-failed");
    });
}

function grid(x, now, past, width) {
  const step = width < 500 ? 10_000 : 15_000;
  const parts = [];
  for (let ago = step; ago < past; ago += step) {
    parts.push(shape("line", { x1: x(now - ago), x2: x(now - ago), y1: 0, y2: height - 14 }, "t-grid"));
    parts.push(Object.assign(shape("text", { x: x(now - ago), y: height - 2 }, "t-tick"), { textContent: `${ago / 1000} s ago` }));
  }
  parts.push(shape("line", { x1: 0, x2: width, y1: lanes.calls + 0.5, y2: lanes.calls + 0.5 }, "t-base"));
  return parts;
}
