// @ts-self-types="./cloakroom.d.ts"
// The browser's side of Cloakroom. The types say what each export does. No token ever comes
// here: the browser adds the ticket to each request by itself.

const at = (path) => new URL(path, import.meta.url).href;
const own = (url) => new URL(url).origin === new URL(import.meta.url).origin;

let known; // the last answer of /bff/session
let asking; // the request for the next one
let leaving = 0; // until then, in milliseconds since 1970, this page is on its way to another

async function ask(path, method) {
  const headers = { Accept: "application/json", "X-CSRF": "1" };
  const response = await globalThis.fetch(at(path), { method, headers, cache: "no-store", signal: AbortSignal.timeout(20_000) });
  if (response.ok) return response.json();
  const { status } = response;
  const code = response.headers.get("Cloakroom-Error") ?? "";
  throw Object.assign(new Error(`cloakroom: ${path} answers ${status} ${code}`), { status, code });
}

export const session = () => (asking ??= ask("session").then(learn).finally(() => (asking = undefined)));

export const login = (returnUrl, params) => go(loginURL(returnUrl, params));

function loginURL(returnUrl = location.href, params) {
  const url = new URL(returnUrl, location.href);
  let path = url.pathname + url.search + url.hash;
  if (path.length > 2048) path = url.pathname;
  if (url.origin !== location.origin) path = returnUrl; // the gateway says no, aloud
  return at("login?" + new URLSearchParams({ ...params, returnUrl: path }));
}

// Fifty refused calls are one login.
function go(url) {
  if (Date.now() < leaving) return;
  leaving = Date.now() + 3000;
  location.assign(url);
}

let ending;
export const logout = () => (Date.now() < leaving && ending) || (ending = end());

async function end() {
  leaving = Infinity; // its own sign-out is no news to a page
  let answer;
  try {
    answer = await ask("logout", "POST");
  } finally {
    leaving = 0;
  }
  const to = channel ?? new BroadcastChannel(name);
  to.postMessage({ id: null });
  if (!channel) to.close();
  go(answer.redirect_url);
}

export async function fetch(input, init) {
  const request = new Request(input, init);
  if (own(request.url)) request.headers.set("X-CSRF", "1");
  const response = await globalThis.fetch(request);
  const code = response.status === 401 && own(response.url || request.url) && response.headers.get("Cloakroom-Error");
  if (code) refused(code, response.clone(), init?.login);
  return response;
}

let quiet = 0; // until then a refusal belongs to those before it
async function refused(code, response, login) {
  const body = await response.json().catch(() => ({}));
  // Another tab may have signed in since.
  if (code.includes("session") && (await look())?.authenticated) return;
  const demand = Object.fromEntries(new URL(body?.login_url ?? "", import.meta.url).searchParams);
  const login_url = loginURL(undefined, demand);
  if (login) return go(login_url);
  if (Date.now() > quiet) tell("login-required", { code, login_url });
  quiet = Date.now() + 1000;
}

// What follows runs while somebody listens. One tab holds the stream and tells the others, for
// HTTP/1.1 has six connections for all of them; a tab without a stream asks now and then.
const listeners = new Set();
const name = "cloakroom " + at(".");
let channel, source, quit, leading;

export function onChange(callback) {
  const listener = (change) => callback(change);
  listeners.add(listener);
  if (!quit) start();
  return () => {
    if (listeners.delete(listener) && !listeners.size) stop();
  };
}

function tell(type, more) {
  if (Date.now() < leaving) return;
  const change = { type, session: known, ...more };
  for (const listener of listeners) queueMicrotask(() => listeners.has(listener) && listener(change));
}

const idOf = (s) => s?.logout_url ?? null; // another one for each session
const hints = new Set(); // what was said to have happened; the next answer shows it
let warned = 0; // the end of which was warned
let longest = 0;

function learn(next) {
  if (Date.now() < leaving) return next; // a page that stays after all finds out later
  const last = known;
  known = next;
  const heard = new Set(hints);
  hints.clear();
  const changed = last && idOf(last) !== idOf(next);
  if (!last || changed) {
    channel?.postMessage({ id: idOf(next) });
    follow(true);
  }
  if (changed) tell(next.authenticated ? "logged-in" : "logged-out");
  else if (last && next.authenticated) {
    const facts = ({ claims, acr, auth_time }) => JSON.stringify([claims, acr, auth_time]);
    if (heard.has("refreshed") || facts(last) !== facts(next)) tell("refreshed");
  }
  if (next.authenticated) {
    const left = 1000 * Math.min(next.expires_in, next.idle_expires_in);
    longest = Math.max(longest, left);
    const end = Date.now() + left;
    if ((heard.has("session-expiring") || left < Math.min(120_000, longest / 5)) && Math.abs(end - warned) > 5000) {
      warned = end;
      tell("session-expiring");
    }
  }
  return next;
}

// Asks anew: an answer under way may be older than what happened. Never rejects.
async function look(hint) {
  await asking?.catch(() => {});
  if (hint) hints.add(hint);
  return session().catch(() => {});
}

function follow(anew) {
  if (anew) {
    source?.close();
    source = undefined;
  }
  if (source || !leading || !known?.authenticated) return;
  source = new EventSource(at("events"));
  for (const hint of ["session-expiring", "refreshed", "logged-out"]) {
    source.addEventListener(hint, () => {
      channel.postMessage({ hint });
      look(hint);
    });
  }
  source.onopen = () => look(); // there may have been something before
  source.onerror = ({ target }) => target.readyState === 2 && look();
}

function start() {
  quit = new AbortController();
  const { signal } = quit;
  channel = new BroadcastChannel(name);
  channel.onmessage = ({ data: { hint, id } }) => (hint || id !== idOf(known)) && look(hint);
  const wake = () => document.hidden || look();
  addEventListener("online", wake, { signal });
  document.addEventListener("visibilitychange", wake, { signal });
  let ticks = 0;
  const timer = setInterval(() => {
    follow(source?.readyState === 2);
    // A stream that looks open may have died in a laptop's sleep.
    if ((source?.readyState !== 1 || ++ticks % 6 === 0) && (!known || known.authenticated)) wake();
  }, 10_000);
  const lead = () => new Promise((done) => {
    leading = true;
    signal.addEventListener("abort", done);
    follow();
  });
  signal.addEventListener("abort", () => clearInterval(timer));
  if (navigator.locks) navigator.locks.request(name, { signal }, lead).catch(() => {});
  else lead();
  look();
}

function stop() {
  quit?.abort();
  channel?.close();
  leading = false;
  follow(true);
  quit = channel = undefined;
}

// A page that is kept for the back button holds nothing open, and looks when it is back.
addEventListener("pagehide", stop);
addEventListener("pageshow", ({ persisted }) => {
  if (!persisted) return;
  leaving = 0;
  if (listeners.size) start();
});
