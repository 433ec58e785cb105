// What the page asks of the gateway, by way of the gateway's own helper. Every request is
// same-origin, so the browser adds the ticket by itself; there is no token to handle.

import * as cloakroom from "/bff/cloakroom.js";

/**
 * One answer, whatever came.
 * @typedef {object} Answer
 * @property {number} status 0 if nobody answered
 * @property {string} code the gateway's error code; empty for an answer of the API's own
 * @property {number} wait seconds to wait before the next try, 0 if unknown
 * @property {any} body null if there was no JSON
 */

/** @returns {Promise<Answer>} */
async function ask(method, path) {
  let response;
  try {
    response = await cloakroom.fetch(path, { method, cache: "no-store", headers: { Accept: "application/json" } });
  } catch {
    return { status: 0, code: "", wait: 0, body: null };
  }
  let body = null;
  try {
    body = await response.json();
  } catch {
    // An answer without JSON is judged by its status.
  }
  return {
    status: response.status,
    code: response.headers.get("Cloakroom-Error") ?? "",
    wait: Number(response.headers.get("Retry-After")) || 0,
    body,
  };
}

/** What the helper promises, as an answer. @returns {Promise<Answer>} */
async function told(promise) {
  try {
    return { status: 200, code: "", wait: 0, body: await promise };
  } catch (error) {
    return { status: error.status ?? 0, code: error.code ?? "", wait: 0, body: null };
  }
}

/** Hears of each change of the session, also of those in other tabs. */
export { onChange } from "/bff/cloakroom.js";

/** Who is signed in, and for how long. Never extends the session. */
export const session = () => told(cloakroom.session());

/** What the gateway holds, told without a value. */
export const state = () => ask("GET", "/demo/state");

/** One call of the API. */
export const call = () => ask("GET", "/api/hello");

/** Makes the access token run out now. */
export const expire = () => ask("POST", "/demo/expire");

/** Takes the provider down for 20 seconds. */
export const breakProvider = () => ask("POST", "/demo/break");

/** Ends the session and leaves for the provider's sign-out. */
export const signOut = () => told(cloakroom.logout());
