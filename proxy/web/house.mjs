// What the tests of cloakroom.js run it in: a server that speaks like the gateway, and tabs
// of one browser, each with a window of its own, in front of it.

import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import vm from "node:vm";

const source = readFileSync(new URL("cloakroom.js", import.meta.url), "utf8");

/** Waits until a condition holds; ten seconds are a failure. */
export async function until(condition, what = String(condition)) {
  for (const end = Date.now() + 10_000; !(await condition()); ) {
    if (Date.now() > end) throw new Error(`not within ten seconds: ${what}`);
    await new Promise((done) => setTimeout(done, 2));
  }
}

/** What GET /bff/session tells of a session, which has a logout URL of its own. */
export const signedIn = (sid, more) => ({
  authenticated: true, expires_in: 604_800, idle_expires_in: 28_800, access_token_expires_in: 300,
  login_url: "/bff/login", logout_url: `/bff/logout?sid=${sid}`, auth_time: 1_700_000_000, acr: null, claims: { sub: "alice" }, ...more,
});

const signedOut = {
  authenticated: false, expires_in: null, idle_expires_in: null, access_token_expires_in: null,
  login_url: "/bff/login", logout_url: null, auth_time: null, acr: null, claims: null,
};

/** A server on loopback with the gateway's endpoints, for one browser. */
export class House {
  session = signedOut;
  away = false; // the store
  streaming = true; // there is a /bff/events
  hold = null; // a promise that answers of /bff/session wait for
  seen = []; // requests
  streams = new Set();

  async open(t, base = "/bff/") {
    this.base = base;
    this.server = createServer((req, res) => this.answer(req, res));
    await new Promise((done) => this.server.listen(0, "127.0.0.1", done));
    this.origin = `http://127.0.0.1:${this.server.address().port}`;
    t.after(() => {
      this.server.closeAllConnections();
      this.server.close();
    });
    return this;
  }

  count(path) {
    return this.seen.filter((r) => r.path === path).length;
  }

  /** Ends the session as the gateway does, and tells the streams. */
  end(event = "logged-out") {
    this.session = signedOut;
    this.say(event);
    for (const res of this.streams) res.end();
  }

  say(event) {
    for (const res of this.streams) res.write(`event: ${event}\ndata: {}\n\n`);
  }

  async answer(req, res) {
    const path = req.url.startsWith(this.base) ? req.url.slice(this.base.length) : req.url;
    const entry = { method: req.method, path, headers: req.headers, body: "" };
    this.seen.push(entry);
    for await (const chunk of req) entry.body += chunk;
    const reply = (status, body, headers) => res.writeHead(status, { "Content-Type": "application/json", ...headers }).end(JSON.stringify(body));
    const refuse = (status, code, more) => reply(status, { status, code, ...more }, { "Cloakroom-Error": code });
    if (this.away) return refuse(503, "store_unavailable");
    switch (path) {
      case "session": {
        const body = this.session;
        await this.hold;
        return reply(200, body);
      }
      case "logout":
        this.end();
        return reply(200, { redirect_url: `${this.base}logout?onward=once` });
      case "events":
        if (!this.streaming || !this.session.authenticated) return refuse(401, "no_session");
        res.writeHead(200, { "Content-Type": "text/event-stream" }).write(": hello\n\n");
        this.streams.add(res);
        return res.on("close", () => this.streams.delete(res));
      case "/api/stepped":
        return refuse(401, "step_up_required", { login_url: `${this.base}login?returnUrl=%2F&demand=sealed` });
      case "/api/refused":
        return refuse(401, "no_session");
      case "/api/own-401":
        return reply(401, { error: "the API's own" });
    }
    return this.session.authenticated ? reply(200, { ok: true }) : refuse(401, "no_session");
  }
}

// EventSource as the HTML standard has it (§9.2), so far as the helper uses it.
class EventStream extends EventTarget {
  readyState = 0;
  #quit = new AbortController();

  constructor(url) {
    super();
    this.#run(url);
  }

  async #run(url) {
    while (this.readyState !== 2) {
      const response = await fetch(url, { signal: this.#quit.signal, headers: { Accept: "text/event-stream" } }).catch(() => null);
      if (this.readyState === 2) return;
      if (response && response.status !== 200) {
        this.readyState = 2;
        await response.body?.cancel();
        return this.#fire("error");
      }
      if (response) await this.#read(response.body).catch(() => {});
      if (this.readyState === 2) return;
      this.readyState = 0;
      this.#fire("error");
      await new Promise((done) => setTimeout(done, 5));
    }
  }

  async #read(body) {
    this.readyState = 1;
    this.#fire("open");
    let text = "";
    for await (const chunk of body.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      const blocks = text.split("\n\n");
      text = blocks.pop();
      for (const block of blocks) {
        const name = /^event: (.*)$/m.exec(block)?.[1];
        if (name) this.#fire(name);
      }
    }
  }

  #fire(type) {
    const event = new Event(type);
    this[`on${type}`]?.(Object.defineProperty(event, "target", { value: this }));
    this.dispatchEvent(event);
  }

  close() {
    this.readyState = 2;
    this.#quit.abort();
  }
}

// Web Locks, so far as the helper uses them: one holder a name, the others in a queue.
class Locks {
  #queues = new Map();

  request(name, { signal }, work) {
    const turn = this.#queues.get(name) ?? Promise.resolve();
    let holds = false;
    const run = turn.then(() => !signal.aborted && ((holds = true), work()));
    this.#queues.set(name, run);
    return new Promise((resolve, reject) => {
      signal.addEventListener("abort", () => holds || reject(signal.reason));
      run.then(resolve);
    });
  }
}

/** One browser, which has the locks for all its tabs. */
export class Browser {
  locks = new Locks();

  constructor(house) {
    this.house = house;
  }

  /** Opens a tab and imports the helper there. */
  async tab(t, { path = "/orders?page=2#top", locks = this.locks } = {}) {
    const tab = new Tab(this.house, path, locks);
    await tab.load();
    t.after(() => tab.event("pagehide"));
    return tab;
  }
}

/** A tab: its window, a clock of its own, and where it was sent to. */
class Tab {
  changes = [];
  went = [];
  thrown = []; // what a browser would write to its console
  now = Date.now(); // its clock, which stands still unless time passes by
  #timers = new Set();
  #window = new EventTarget();

  constructor(house, path, locks) {
    this.house = house;
    this.document = Object.assign(new EventTarget(), { hidden: false });
    const globals = {
      fetch, Request, Response, Headers, URL, URLSearchParams, AbortController, AbortSignal, BroadcastChannel,
      EventSource: EventStream,
      queueMicrotask: (work) => queueMicrotask(() => this.#report(work)),
      navigator: { locks },
      document: this.document,
      location: { href: house.origin + path, origin: house.origin, assign: (url) => this.went.push(url) },
      addEventListener: (...args) => this.#window.addEventListener(...args),
      setInterval: (work) => (this.#timers.add(work), work),
      clearInterval: (work) => this.#timers.delete(work),
    };
    this.context = vm.createContext(globals);
    vm.runInContext("Date", this.context).now = () => this.now;
  }

  async load() {
    const module = new vm.SourceTextModule(source, {
      context: this.context,
      initializeImportMeta: (meta) => (meta.url = `${this.house.origin}${this.house.base}cloakroom.js`),
    });
    await module.link(() => Promise.reject(new Error("the helper has no dependencies")));
    await module.evaluate();
    Object.assign(this, module.namespace);
    this.types = () => this.changes.map((c) => c.type);
  }

  /** Notes all changes from now on, once what holds now is known. */
  async listen() {
    const stop = this.onChange((change) => this.changes.push(change));
    await this.session();
    return stop;
  }

  /** Lets time pass: the timers of ten seconds have their turn. */
  pass(seconds) {
    for (; seconds > 0; seconds -= 10) {
      this.now += 10_000;
      for (const work of [...this.#timers]) work();
    }
  }

  #report(work) {
    try {
      work();
    } catch (error) {
      this.thrown.push(error.message);
    }
  }

  /** How many timers run. */
  get timers() {
    return this.#timers.size;
  }

  event(type, more) {
    this.#window.dispatchEvent(Object.assign(new Event(type), more));
  }

  show(visible) {
    this.document.hidden = !visible;
    this.document.dispatchEvent(new Event("visibilitychange"));
  }
}
