// The right side: what hangs behind the counter. The desk tells moments; the clock here
// turns them into ages, many times a second.

import { duration } from "./words.js";

const element = (id) => document.getElementById(id);
const text = (id, value) => {
  if (element(id).textContent !== value) element(id).textContent = value;
};

// Below this part of its life the gateway refreshes the token in the background.
const due = 0.2;

/**
 * Draws everything that depends on the time.
 * @param {object|null} view what is known: {state, session, at}
 * @param {number} now the desk's clock, in milliseconds
 */
export function draw(view, now) {
  const holds = view.state.holds;
  if (!holds) return;
  access(holds, view.state.provider.up, now);
  refresh(holds, view.state.events, now);
  text("id-age", duration((now - holds.created) / 1000));
  text("id-note", holds.id_token ? "shown to the provider at sign-out" : "the provider gave none");
  element("tag-id").dataset.state = holds.id_token ? "held" : "none";
  limits(view, holds, now);
}

function access(holds, up, now) {
  const left = Math.max(0, holds.access_expires - now);
  const life = Math.max(1, holds.access_expires - holds.access_issued);
  const part = holds.access_expires ? Math.min(1, left / life) : 1;
  let state = "held";
  let note = "goes on every call to the API";
  if (left === 0) [state, note] = ["out", up ? "the next call fetches a new one" : "none until the provider is back"];
  else if (part < due) [state, note] = ["due", up ? "due: the next call renews it" : "still good; no new one for now"];
  element("tag-access").dataset.state = state;
  element("access-ring").style.strokeDashoffset = String(100 * (1 - part));
  text("access-left", `${Math.ceil(left / 1000)} s`);
  text("access-unit", left === 0 ? "run out" : "left");
  text("access-note", note);
}

function refresh(holds, events, now) {
  const last = events.findLast((e) => e.kind === "refreshed" && e.ok);
  element("tag-refresh").dataset.state = holds.refresh_token ? "held" : "none";
  text("refresh-count", String(holds.refreshes));
  if (!holds.refresh_token) text("refresh-note", "the provider gave none");
  else if (last) text("refresh-note", `this one is ${duration((now - last.at) / 1000)} old`);
  else text("refresh-note", "as it came at the sign-in");
}

let longestIdle = 1;

function limits(view, holds, now) {
  const since = (performance.now() - view.at) / 1000;
  const idle = Math.max(0, view.session.idle_expires_in - since);
  const absolute = Math.max(0, view.session.expires_in - since);
  longestIdle = Math.max(longestIdle, idle);
  const whole = absolute + (now - holds.created) / 1000;
  text("idle-left", `in ${duration(idle)}`);
  text("absolute-left", `in ${duration(absolute)}`);
  element("idle-bar").style.transform = `scaleX(${idle / longestIdle})`;
  element("absolute-bar").style.transform = `scaleX(${absolute / Math.max(1, whole)})`;
}

/** Lets the access token's tag swing once: somebody took it off its hook. */
export function swing() {
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
  element("tag-access").animate(
    [{ rotate: "0deg" }, { rotate: "-1.4deg" }, { rotate: "0.9deg" }, { rotate: "-0.4deg" }, { rotate: "0deg" }],
    { duration: 700, easing: "ease-out" },
  );
}
