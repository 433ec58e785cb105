// The book: the timeline in words, newest first.

import { count } from "./words.js";

const longest = 40;

const sentences = {
  signed_in: () => ["Signed in", "ok"],
  expired: () => ["Token expired", "bad"],
  broken: () => ["Provider broken for 20 s", "bad"],
  revoked: (e) => (e.ok ? ["Refresh token revoked", "ok"] : ["Revocation will be tried again", "wait"]),
  ended: () => ["Session ended", "bad"],
  refreshed: (e) =>
    e.ok ? [`Refreshed in ${e.took_ms} ms`, "refresh"] : ["Refresh failed", "wait"],
};

const callWords = {
  ok: (n) => `${count(n, "call")} answered`,
  wait: (n) => `${count(n, "call")} told to wait`,
  bad: (n) => `${count(n, "call")} refused`,
};

export class Book {
  #list;
  #seen = 0; // the last event that was written down
  #open = null; // {kind, n, line}: the line of calls that still grows

  constructor(list) {
    this.#list = list;
  }

  /** Writes down the events that are new. */
  events(all) {
    for (const e of all) {
      if (e.seq <= this.#seen) continue;
      this.#seen = e.seq;
      const [words, kind] = sentences[e.kind]?.(e) ?? [e.kind, "ok"];
      this.#write(e.at, words, kind);
      this.#open = null;
    }
  }

  /** Writes down a call; calls with the same end in a row share a line. */
  call(at, kind) {
    if (this.#open?.kind !== kind) this.#open = { kind, n: 0, line: this.#write(at, "", kind) };
    this.#open.n++;
    this.#open.line.lastChild.textContent = callWords[kind](this.#open.n);
  }

  #write(at, words, kind) {
    const line = document.createElement("li");
    const time = document.createElement("time");
    const what = document.createElement("span");
    const when = new Date(at);
    time.dateTime = when.toISOString();
    time.textContent = when.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
    what.textContent = words;
    line.className = `k-${kind}`;
    line.append(time, what);
    this.#list.prepend(line);
    while (this.#list.childElementCount > longest) this.#list.lastChild.remove();
    return line;
  }
}
