import { fetch, login, logout, onChange, session } from "/bff/cloakroom.js";

const at = (id) => document.getElementById(id);

async function show() {
  const me = await session();
  at("in").hidden = me.authenticated;
  at("out").hidden = !me.authenticated;
  at("who").textContent = me.authenticated ? `Signed in as ${me.claims.name ?? me.claims.sub}.` : "Nobody is signed in.";
  at("orders").replaceChildren();
  if (!me.authenticated) return;

  const answer = await fetch("/api/orders"); // no token here: the gateway adds it
  if (!answer.ok) throw new Error(`orders: ${answer.status}`);
  const { orders } = await answer.json();
  at("orders").replaceChildren(...orders.map(({ item }) => Object.assign(document.createElement("li"), { textContent: item })));
}

at("in").onclick = () => login();
at("out").onclick = () => logout();
onChange(() => show()); // signed out in another tab, by a limit, by the provider
show();
