
const said = document.querySelector("#said");
const buttons = () => document.querySelectorAll("button");

function say(text) {
  said.textContent = text;
  said.focus();
}

// end asks the gateway to end sessions, and takes their lines away when it has.
async function end(what, lines, text) {
  for (const b of buttons()) b.disabled = true;
  try {
    const answer = await fetch(location.pathname + what, {method: "DELETE", headers: {"X-CSRF": "1"}});
    if (answer.status === 401) return location.reload(); // this browser's own has ended: sign in
    if (!answer.ok && answer.status !== 404) throw new Error(answer.statusText);
    for (const line of lines) line.remove();
    if (!document.querySelector(".other")) document.querySelector("#others")?.remove();
    say(text);
  } catch {
    say("That did not work. Please try again in a moment.");
  } finally {
    for (const b of buttons()) b.disabled = false;
  }
}

for (const b of buttons()) {
  const line = b.closest("li");
  b.hidden = false;
  b.addEventListener("click", () => line
    ? end("/" + b.dataset.end, [line], `${line.querySelector("h2").textContent} was signed out.`)
    : end("?others=true", document.querySelectorAll(".other"), "All other browsers were signed out."));
}
for (const t of document.querySelectorAll("time")) {
  t.textContent = new Date(t.dateTime).toLocaleString(undefined, {dateStyle: "medium", timeStyle: "short"});
}
