// What the page asks of the gateway. Every request is same-origin, so the browser adds the
// ticket by itself and says so in Sec-Fetch-Site; there is no header to set and no token
// to handle.

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
    response = await fetch(path, { method, cache: "no-store", headers: { Accept: "application/json" } });
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

/** Who is signed in, and for how long. Never extends the session. */
export const session = () => ask("GET", "/bff/session");

/** What the gateway holds, told without a value. */
export const state = () => ask("GET", "/demo/state");

/** One call of the API. */
export const call = () => ask("GET", "/api/hello");

/** Makes the access token run out now. */
export const expire = () => ask("POST", "/demo/expire");

/** Takes the provider down for 20 seconds. */
export const breakProvider = () => ask("POST", "/demo/break");

/** Ends the session; the answer's redirect_url is where the browser goes then. */
export const signOut = () => ask("POST", "/bff/logout");
