// The page: asks the gateway every second, draws many times a second, and gives the
// buttons their work. It never meets a token.

import * as browser from "./browser.js";
import * as counter from "./counter.js";
import * as gateway from "./gateway.js";
import { Book } from "./book.js";
import { Timeline } from "./timeline.js";
import { count } from "./words.js";

const byId = (id) => document.getElementById(id);
const timeline = new Timeline(byId("timeline"));
const book = new Book(byId("book"));

/** What is known of a signed-in browser; null while signed out. */
let view = null;
let ahead = 0; // the desk's clock minus this one, in milliseconds
const now = () => Date.now() + ahead;

// ── Asking ────────────────────────────────────────────────────────────────────────────

let asking = null;
let leaving = false; // on the way to the provider's sign-out

/** Asks once; whoever asks meanwhile shares the answer. */
const look = () => (asking ??= askBoth().finally(() => (asking = null)));

async function askBoth() {
  const answer = await gateway.session();
  if (answer.status !== 200) {
    notice(answer.status === 0
      ? "The gateway does not answer. Is the demo still running?"
      : `The gateway answers ${answer.status} ${answer.code}; asking again.`);
    return;
  }
  if (leaving) return;
  if (!answer.body.authenticated) {
    leave();
    return;
  }
  const session = answer.body;
  const at = performance.now();
  const desk = await gateway.state();
  if (desk.status !== 200) {
    // Between two answers the session may have ended: the next look tells.
    if (desk.status !== 401) notice(`The demo's desk answers ${desk.status} ${desk.code}; asking again.`);
    return;
  }
  ahead = desk.body.now - Date.now();
  enter({ session, at, state: desk.body });
}

function enter(next) {
  const first = view === null;
  view = next;
  document.documentElement.dataset.session = "in";
  notice("");
  byId("who").textContent = view.state.user;
  provider(view.state.provider);
  const holds = view.state.holds;
  if (holds) timeline.token(holds.access_issued, holds.access_expires || now() + 60_000);
  book.events(view.state.events);
  browser.show(view.state);
  if (first) draw();
}

function leave() {
  if (view) notice("This session is over. Sign in again to get a new ticket.");
  view = null;
  document.documentElement.dataset.session = "out";
}

function notice(words) {
  byId("notice").textContent = words;
  byId("notice").hidden = words === "";
}

function provider({ up, back_in: backIn }) {
  const seconds = Math.ceil(backIn);
  byId("provider").dataset.up = String(up);
  byId("provider-text").textContent = up ? "Provider up" : `Provider down, back in ${seconds} s`;
  byId("break").disabled = !up;
  byId("break-note").textContent = up ? "no refresh for 20 s" : `heals in ${seconds} s`;
}

// ── Drawing ───────────────────────────────────────────────────────────────────────────

function draw() {
  if (!view || document.hidden) return;
  counter.draw(view, now());
  timeline.draw(view.state.events, now());
}

const calm = matchMedia("(prefers-reduced-motion: reduce)");
let drawn = 0;

function frame(time) {
  if (time - drawn >= (calm.matches ? 1000 : 66)) {
    drawn = time;
    draw();
  }
  requestAnimationFrame(frame);
}

// ── Calling ───────────────────────────────────────────────────────────────────────────

/** Calls the API once and notes how it went: "ok", "wait" or "bad". */
async function call() {
  counter.swing();
  const answer = await gateway.call();
  let kind = "bad";
  if (answer.status === 200) kind = "ok";
  else if (answer.status === 503 || answer.status === 429) kind = "wait";
  timeline.call(now(), kind);
  book.call(now(), kind);
  if (answer.status === 401) look();
  return { ...answer, kind };
}

function say(words, kind = "") {
  byId("result").textContent = words;
  byId("result").dataset.kind = kind;
}

function tell(answer) {
  if (answer.kind === "ok") {
    const { who, count: n, token_remaining_seconds: left } = answer.body;
    say(`The API answered ${who}, call ${n}. The token that it saw has ${left.toFixed(1)} s left.`, "ok");
  } else if (answer.kind === "wait") {
    say(`503: the token has run out and the provider is away${answer.wait ? `; again in ${answer.wait} s` : ""}. Your session stays.`, "wait");
  } else if (answer.code === "interaction_required" || answer.code === "step_up_required") {
    say("The provider wants to see you: sign out and in again.", "bad");
  } else {
    say(answer.status === 0 ? "The gateway does not answer." : `Refused: ${answer.status} ${answer.code}`, "bad");
  }
}

async function call50() {
  const before = view?.state.events.at(-1)?.seq ?? 0;
  const began = performance.now();
  const answers = await Promise.all(Array.from({ length: 50 }, call));
  const took = Math.round(performance.now() - began);
  await look();
  await look(); // the first may have been under way since before the calls
  const refreshes = view ? view.state.events.filter((e) => e.seq > before && e.kind === "refreshed").length : 0;
  const good = answers.filter((a) => a.kind === "ok").length;
  const waiting = answers.filter((a) => a.kind === "wait").length;
  if (good === 50) say(`50 calls at once: 50 answered in ${took} ms, with ${count(refreshes, "refresh", "refreshes")}.`, "ok");
  else say(`50 calls at once: ${good} answered, ${waiting} told to wait, ${50 - good - waiting} refused.`, waiting ? "wait" : "bad");
}

// ── The desk ──────────────────────────────────────────────────────────────────────────

/** Gives a button its work; it cannot be pressed again while that goes on. */
function onPress(id, work) {
  const button = byId(id);
  button.addEventListener("click", async () => {
    if (button.getAttribute("aria-busy") === "true") return;
    button.setAttribute("aria-busy", "true");
    try {
      await work();
    } finally {
      button.removeAttribute("aria-busy");
    }
  });
}

async function press(ask, words) {
  const answer = await ask();
  if (answer.status >= 200 && answer.status < 300) say(words, "ok");
  else tell({ ...answer, kind: "bad" });
  await look();
}

onPress("call", async () => tell(await call()));
onPress("call50", call50);
onPress("expire", () => press(gateway.expire, "The access token has run out. The next call waits for a new one, and gets it."));
onPress("break", () => press(gateway.breakProvider, "The provider is down for 20 s. Calls go on with the token that still holds."));
onPress("sign-out", async () => {
  leaving = true;
  const answer = await gateway.signOut();
  if (answer.status === 200) return;
  leaving = false;
  tell({ ...answer, kind: "bad" });
});

// ── Clockwork ─────────────────────────────────────────────────────────────────────────

setInterval(() => document.hidden || look(), 1000);
setInterval(() => view && !leaving && byId("auto").checked && !document.hidden && call(), 2000);
document.addEventListener("visibilitychange", () => document.hidden || look());
addEventListener("pageshow", ({ persisted }) => {
  if (persisted) leaving = false; // the back button, after a sign-out
});

gateway.onChange(({ type }) => (type === "logged-out" ? leave() : look()));
requestAnimationFrame(frame);
look();
