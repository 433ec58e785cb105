// How cloakroom.js behaves:
//
//   node --experimental-vm-modules --test proxy/web/cloakroom.test.mjs

import assert from "node:assert/strict";
import { test } from "node:test";
import { Browser, House, signedIn, until } from "./house.mjs";

process.on("unhandledRejection", (why) => {
  throw why;
});

/** A house with somebody in it, unless told otherwise, and a browser in front. */
async function open(t, { session = signedIn("one"), base } = {}) {
  const house = await new House().open(t, base);
  if (session) house.session = session;
  return { house, browser: new Browser(house) };
}

/** Waits for the stream to be open, and for the look that follows. */
const streaming = (house) => until(() => house.streams.size === 1 && house.count("session") > 1, "a stream");

/** Gives what is under way the time to arrive. */
async function settle(tab) {
  for (let i = 0; i < 3; i++) await tab.fetch(`${tab.house.origin}/api/own-401`);
}

/** Some other tab holds the stream. */
const elsewhere = { locks: { request: () => new Promise(() => {}) } };

test("everybody who asks at once shares one answer", async (t) => {
  const { house, browser } = await open(t);
  const tab = await browser.tab(t);
  const answers = await Promise.all(Array.from({ length: 20 }, () => tab.session()));
  assert.equal(house.count("session"), 1);
  assert.ok(answers.every((a) => a.claims.sub === "alice"));
  assert.equal(house.seen[0].headers["x-csrf"], "1", "for browsers without fetch metadata");
  await tab.session();
  assert.equal(house.count("session"), 2, "an answer is not kept");
});

test("an error of the gateway rejects with its code", async (t) => {
  const { house, browser } = await open(t);
  const tab = await browser.tab(t);
  house.away = true;
  await assert.rejects(tab.session(), { status: 503, code: "store_unavailable" });
  await assert.rejects(tab.logout(), { status: 503, code: "store_unavailable" });
  assert.deepEqual(tab.went, []);
  house.away = false;
  assert.equal((await tab.session()).authenticated, true);
});

test("the base path is where the module came from", async (t) => {
  const { house, browser } = await open(t, { base: "/shop/auth/" });
  const tab = await browser.tab(t);
  assert.equal((await tab.session()).authenticated, true);
  tab.login("/x");
  assert.deepEqual(tab.went, [`${house.origin}/shop/auth/login?returnUrl=%2Fx`]);
});

for (const [name, args, query] of [
  ["back to this page", [], { returnUrl: "/orders?page=2#top" }],
  ["back to a path", ["/a?b=c"], { returnUrl: "/a?b=c" }],
  ["back to an address of this origin", (origin) => [`${origin}/a`], { returnUrl: "/a" }],
  ["with what the provider shall know", ["/", { prompt: "login" }], { prompt: "login", returnUrl: "/" }],
  ["a foreign address is left for the gateway to refuse", ["https://evil.example/"], { returnUrl: "https://evil.example/" }],
  ["of a long address the path is enough", [`/a?${"b".repeat(3000)}`], { returnUrl: "/a" }],
]) {
  test(`a login: ${name}`, async (t) => {
    const { house, browser } = await open(t);
    const tab = await browser.tab(t);
    tab.login(...(typeof args === "function" ? args(house.origin) : args));
    assert.equal(tab.went.length, 1);
    const url = new URL(tab.went[0]);
    assert.equal(url.origin + url.pathname, `${house.origin}/bff/login`);
    assert.deepEqual(Object.fromEntries(url.searchParams), query);
  });
}

test("the header goes to this origin and to no other", async (t) => {
  const { house, browser } = await open(t);
  const foreign = await new House().open(t);
  foreign.session = signedIn("other");
  const tab = await browser.tab(t);
  for (const call of [
    () => tab.fetch(`${house.origin}/api/a`),
    () => tab.fetch(new URL("/api/a", house.origin), { headers: { "X-Mine": "yes" } }),
    () => tab.fetch(new Request(`${house.origin}/api/a`, { method: "PUT", headers: { "X-Mine": "yes" }, body: "text" })),
  ]) {
    assert.equal((await call()).status, 200);
    assert.equal(house.seen.at(-1).headers["x-csrf"], "1");
  }
  assert.equal(house.seen.at(-1).headers["x-mine"], "yes");
  assert.equal(house.seen.at(-1).body, "text");
  await tab.fetch(`${foreign.origin}/api/a`);
  assert.equal(foreign.seen.at(-1).headers["x-csrf"], undefined);
});

test("a body streams, and a signal aborts", async (t) => {
  const { house, browser } = await open(t);
  const tab = await browser.tab(t);
  const body = new Blob(["one ", "two"]).stream();
  const response = await tab.fetch(`${house.origin}/api/a`, { method: "POST", body, duplex: "half" });
  assert.equal(house.seen.at(-1).body, "one two");
  assert.deepEqual(await response.json(), { ok: true });
  await assert.rejects(tab.fetch(`${house.origin}/api/a`, { signal: AbortSignal.abort() }), { name: "AbortError" });
  await assert.rejects(tab.fetch("no address"), { name: "TypeError" });
});

test("a refused call is an event, once, and its answer stays whole", async (t) => {
  const { house, browser } = await open(t);
  const tab = await browser.tab(t);
  await tab.listen();
  house.session = (await new House()).session; // ended, and nobody said so
  const answers = await Promise.all(Array.from({ length: 50 }, () => tab.fetch(`${house.origin}/api/a`)));
  for (const a of answers) assert.equal((await a.json()).code, "no_session");
  await until(() => tab.changes.length >= 2);
  assert.deepEqual(tab.types(), ["logged-out", "login-required"]);
  assert.equal(tab.changes[1].code, "no_session");
  assert.equal(new URL(tab.changes[1].login_url).searchParams.get("returnUrl"), "/orders?page=2#top");
  assert.deepEqual(tab.went, []);
});

test("fifty refused calls are one login, if a login is wanted", async (t) => {
  const { house, browser } = await open(t, { session: null });
  const tab = await browser.tab(t);
  await Promise.all(Array.from({ length: 50 }, () => tab.fetch(`${house.origin}/api/a`, { login: true })));
  await until(() => tab.went.length > 0);
  tab.login();
  assert.equal(tab.went.length, 1);
  tab.pass(10); // the way there was cut off
  tab.login();
  assert.equal(tab.went.length, 2);
});

test("a step-up carries what the route demands", async (t) => {
  const { house, browser } = await open(t);
  const tab = await browser.tab(t);
  await tab.listen();
  await tab.fetch(`${house.origin}/api/stepped`);
  await until(() => tab.changes.length > 0);
  assert.deepEqual(tab.types(), ["login-required"]);
  const url = new URL(tab.changes[0].login_url);
  assert.deepEqual(Object.fromEntries(url.searchParams), { demand: "sealed", returnUrl: "/orders?page=2#top" });
  await tab.fetch(`${house.origin}/api/stepped`, { login: true });
  await until(() => tab.went.length > 0);
  assert.deepEqual(tab.went, [tab.changes[0].login_url]);
});

test("the API's own 401 is the API's own business", async (t) => {
  const { house, browser } = await open(t);
  const foreign = await new House().open(t); // whoever else says Cloakroom-Error
  const tab = await browser.tab(t);
  await tab.listen();
  assert.equal((await tab.fetch(`${house.origin}/api/own-401`, { login: true })).status, 401);
  assert.equal((await tab.fetch(`${foreign.origin}/api/stepped`, { login: true })).status, 401);
  await tab.session();
  assert.deepEqual([tab.types(), tab.went], [[], []]);
});

test("a call that was refused before another tab signed in asks for no login", async (t) => {
  const { house, browser } = await open(t, { session: null });
  const tab = await browser.tab(t);
  await tab.listen();
  house.session = signedIn("new");
  assert.equal((await tab.fetch(`${house.origin}/api/refused`, { login: true })).status, 401);
  await until(() => tab.changes.length > 0);
  assert.deepEqual([tab.types(), tab.went], [["logged-in"], []]);
});

test("a sign-out in one tab is seen in the other, and is no event in the first", async (t) => {
  const { house, browser } = await open(t);
  house.streaming = false; // the tabs tell each other
  const [here, there] = [await browser.tab(t), await browser.tab(t)];
  await here.listen();
  await there.listen();
  there.show(false);
  await Promise.all([here.logout(), here.logout()]);
  assert.equal(house.count("logout"), 1);
  assert.deepEqual(here.went, ["/bff/logout?onward=once"]);
  here.login(); // as an app that answers every 401 with a login
  assert.equal(here.went.length, 1);
  await until(() => there.changes.length > 0);
  assert.deepEqual(there.types(), ["logged-out"]);
  assert.equal(there.changes[0].session.authenticated, false);
  await here.fetch(`${house.origin}/api/stepped`);
  await settle(here);
  assert.deepEqual(here.types(), []);
});

test("a page that only signs out tells the others, too", async (t) => {
  const { house, browser } = await open(t);
  house.streaming = false;
  const [here, there] = [await browser.tab(t), await browser.tab(t)];
  await there.listen();
  await here.logout();
  await until(() => there.changes.length > 0);
  assert.deepEqual(there.types(), ["logged-out"]);
});

test("all tabs share one stream, and the next one takes it over", async (t) => {
  const { house, browser } = await open(t);
  const tabs = [await browser.tab(t), await browser.tab(t), await browser.tab(t)];
  await tabs[0].listen();
  await streaming(house);
  for (const tab of tabs.slice(1)) await tab.listen();
  house.say("refreshed");
  await until(() => tabs.every((tab) => tab.changes.length === 1));
  assert.equal(house.count("session"), 7, "each asks at its start and at the event, the first also when its stream is open");
  const last = await browser.tab(t);
  await last.listen();
  last.event("pagehide"); // while it waits for its turn
  tabs[0].event("pagehide");
  await until(() => house.count("events") === 2 && house.streams.size === 1, "the second tab holds the stream");
  house.end();
  await until(() => tabs.slice(1).every((tab) => tab.changes.length === 2));
  assert.deepEqual(tabs[1].types(), ["refreshed", "logged-out"]);
  assert.deepEqual(tabs[2].types(), ["refreshed", "logged-out"]);
  assert.deepEqual(tabs[0].types(), ["refreshed"]);
});

test("without locks each tab has a stream of its own", async (t) => {
  const { house, browser } = await open(t);
  for (const tab of [await browser.tab(t, { locks: null }), await browser.tab(t, { locks: null })]) await tab.listen();
  await until(() => house.streams.size === 2);
});

test("new claims come with the word that there are some", async (t) => {
  const { house, browser } = await open(t);
  const tab = await browser.tab(t);
  await tab.listen();
  await streaming(house);
  house.session = signedIn("one", { claims: { sub: "alice", roles: ["admin"] } });
  house.say("refreshed");
  await until(() => tab.changes.length > 0);
  assert.deepEqual(tab.types(), ["refreshed"]);
  assert.deepEqual(tab.changes[0].session.claims.roles, ["admin"]);
});

test("an answer from before an event is not taken for what holds after it", async (t) => {
  const { house, browser } = await open(t);
  const tab = await browser.tab(t);
  await tab.listen();
  await streaming(house);
  await tab.session();
  let release;
  house.hold = new Promise((done) => (release = done));
  const count = house.count("session");
  const stale = tab.session();
  await until(() => house.count("session") > count);
  house.session = signedIn("one", { acr: "mfa" });
  house.say("refreshed");
  await tab.fetch(`${house.origin}/api/a`); // the event has come by now
  release();
  assert.equal((await stale).acr, null);
  await until(() => tab.changes.length > 0);
  assert.equal(tab.changes[0].session.acr, "mfa");
  assert.deepEqual(tab.types(), ["refreshed"]);
});

test("a stream that is refused makes it look", async (t) => {
  const { house, browser } = await open(t);
  const tab = await browser.tab(t);
  await tab.listen();
  await streaming(house);
  house.end("unknown event");
  await until(() => tab.changes.length > 0);
  assert.deepEqual(tab.types(), ["logged-out"]);
});

test("a session that is always short is not always at its end", async (t) => {
  const { browser } = await open(t, { session: signedIn("one", { idle_expires_in: 50 }) });
  const tab = await browser.tab(t);
  await tab.listen();
  await tab.session();
  assert.deepEqual(tab.types(), []);
});

test("an end that comes near is told once, whoever tells it", async (t) => {
  const { house, browser } = await open(t);
  const tab = await browser.tab(t);
  await tab.listen();
  await streaming(house);
  house.session = signedIn("one", { idle_expires_in: 200 });
  house.say("session-expiring");
  await until(() => tab.changes.length > 0);
  assert.equal(tab.changes[0].session.idle_expires_in, 200);
  const count = house.count("session");
  house.say("session-expiring");
  await until(() => house.count("session") > count);
  await tab.session();
  assert.deepEqual(tab.types(), ["session-expiring"]);
  house.session = signedIn("one"); // somebody did something, and went away again
  await tab.session();
  house.session = signedIn("one", { idle_expires_in: 59 });
  await tab.session();
  assert.deepEqual(tab.types(), ["session-expiring", "session-expiring"]);
});

test("without a stream it asks every ten seconds, while the page can be seen", async (t) => {
  const { house, browser } = await open(t);
  const tab = await browser.tab(t, elsewhere);
  await tab.listen();
  tab.show(false);
  house.session = signedIn("one", { claims: { sub: "alice", roles: [] } });
  const count = house.count("session");
  tab.pass(60);
  await settle(tab);
  assert.equal(house.count("session"), count);
  tab.show(true);
  await until(() => tab.changes.length === 1);
  house.session = signedIn("two");
  tab.pass(10);
  await until(() => tab.changes.length === 2);
  house.session = signedIn("two", { idle_expires_in: 20 });
  tab.pass(10);
  await until(() => tab.changes.length === 3);
  assert.deepEqual(tab.types(), ["refreshed", "logged-in", "session-expiring"]);
  assert.equal(house.count("events"), 0);
});

test("a stream that only looks open is not believed for long", async (t) => {
  const { house, browser } = await open(t);
  const tab = await browser.tab(t);
  await tab.listen();
  await streaming(house);
  await tab.session();
  const count = house.count("session");
  tab.pass(50);
  await tab.session();
  assert.equal(house.count("session"), count + 1, "an open stream needs no polling");
  house.session = signedIn("two");
  tab.pass(10);
  await until(() => tab.changes.length === 1 && house.count("events") === 2 && house.streams.size === 1);
  await settle(tab);
  house.session = signedIn("three");
  tab.event("online");
  await until(() => tab.changes.length === 2);
  assert.deepEqual(tab.types(), ["logged-in", "logged-in"]);
});

test("an outage is no sign-out, and what happened meanwhile is seen after it", async (t) => {
  const { house, browser } = await open(t);
  const tab = await browser.tab(t);
  await tab.listen();
  await streaming(house);
  house.away = true;
  for (const res of house.streams) res.destroy();
  await until(() => house.count("events") > 1);
  tab.pass(30);
  tab.event("online");
  await assert.rejects(tab.session());
  assert.deepEqual(tab.types(), []);
  house.away = false;
  house.session = signedIn("one", { claims: { sub: "alice", roles: ["late"] } });
  tab.pass(10);
  await until(() => tab.changes.length > 0 && house.streams.size === 1);
  assert.deepEqual(tab.types(), ["refreshed"]);
});

test("nobody signed in: no stream and no polling; a sign-in elsewhere is heard", async (t) => {
  const { house, browser } = await open(t, { session: null });
  const tab = await browser.tab(t);
  await tab.listen();
  const count = house.count("session");
  tab.pass(120);
  await settle(tab);
  assert.equal(house.count("session"), count);
  assert.equal(house.count("events"), 0);
  house.session = signedIn("one");
  const other = await browser.tab(t);
  await other.listen();
  await until(() => tab.changes.length > 0 && house.streams.size === 1);
  assert.deepEqual(tab.types(), ["logged-in"]);
});

test("a change between the first question and the first listener is told", async (t) => {
  const { house, browser } = await open(t);
  const tab = await browser.tab(t, elsewhere);
  assert.equal((await tab.session()).authenticated, true);
  house.end();
  tab.onChange((change) => tab.changes.push(change));
  await until(() => tab.changes.length > 0);
  assert.deepEqual(tab.types(), ["logged-out"]);
});

test("a page out of the back button's memory looks again", async (t) => {
  const { house, browser } = await open(t);
  const tab = await browser.tab(t);
  await tab.listen();
  await streaming(house);
  await tab.logout();
  assert.equal((await tab.session()).authenticated, false);
  tab.event("pagehide", { persisted: true });
  await until(() => house.streams.size === 0 && tab.timers === 0);
  assert.deepEqual(tab.types(), []);
  tab.event("pageshow", { persisted: true });
  await until(() => tab.changes.length > 0);
  assert.deepEqual(tab.types(), ["logged-out"]);
  tab.login();
  assert.equal(tab.went.length, 2, "it is not on its way any more");
});

test("the last one who listens closes everything, and one who throws disturbs no other", async (t) => {
  const { house, browser } = await open(t);
  const tab = await browser.tab(t);
  const first = tab.onChange(() => {
    throw new Error("the app's own");
  });
  const second = await tab.listen();
  await streaming(house);
  house.say("refreshed");
  await until(() => tab.changes.length === 1 && tab.thrown.length === 1);
  first();
  first();
  tab.event("pageshow", { persisted: false });
  assert.equal(tab.timers, 1);
  second();
  await until(() => house.streams.size === 0 && tab.timers === 0);
  const count = house.seen.length;
  tab.pass(60);
  tab.event("online");
  assert.equal(house.seen.length, count);
  await tab.listen();
  await until(() => house.streams.size === 1, "it can begin again");
});
