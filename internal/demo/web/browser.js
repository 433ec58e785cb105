// The left side: what a script finds in this browser. It looks, each time, instead of
// claiming.

const text = (id, value) => {
  const element = document.getElementById(id);
  if (element.textContent !== value) element.textContent = value;
};

/** Writes down what can be found here, and what the desk says of the ticket. */
export async function show(state) {
  const cookies = document.cookie;
  const stored = localStorage.length + sessionStorage.length;
  const databases = indexedDB.databases ? (await indexedDB.databases()).length : 0;
  text("find-cookie", cookies === "" ? "nothing: it is HttpOnly" : `${cookies.split(";").length} readable`);
  text("find-storage", stored === 0 ? "empty" : `${stored} items`);
  text("find-databases", databases === 0 ? "none" : String(databases));
  text("find-tokens", cookies === "" && stored === 0 && databases === 0 ? "none" : "look at what was found above");

  text("ticket-number", state.number > 0 ? String(state.number) : "–");
  text("cookie-name", state.cookie ? state.cookie.name : "–");
  text("cookie-size", state.cookie ? `${state.cookie.bytes} bytes; no refresh changes it` : "encrypted; no refresh changes it");
}
