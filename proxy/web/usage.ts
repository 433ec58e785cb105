// An app in TypeScript that uses everything of cloakroom.d.ts. It is compiled and never run.

import { fetch, login, logout, onChange, session } from "/bff/cloakroom.js";
import type { Change, GatewayError } from "/bff/cloakroom.js";

const me = await session();
if (me.authenticated) {
  const left: number = Math.min(me.expires_in, me.idle_expires_in);
  console.log(left, me.claims["sub"], me.acr?.length);
} else {
  const nothing: null = me.claims;
  console.log(nothing);
  login("/here", { prompt: "login" });
}
const stop: () => void = onChange((change: Change) => {
  switch (change.type) {
    case "logged-out":
      return console.log(change.session.authenticated === false);
    case "login-required":
      return location.assign(change.login_url);
    case "logged-in":
    case "refreshed":
    case "session-expiring":
      return console.log(change.session.claims);
    default:
      return change satisfies never;
  }
});
const answer: Response = await fetch(new URL("/api", location.origin), { method: "POST", login: true });
await logout().catch(({ status, code }: GatewayError) => console.log(status.toFixed(), code.trim(), answer.ok, stop));
// @ts-expect-error an unknown change
onChange(({ type }) => type === "nonsense");
