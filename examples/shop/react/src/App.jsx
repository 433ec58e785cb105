import { useEffect, useState } from "react";
import { fetch, login, logout } from "/bff/cloakroom.js";
import { useSession } from "./useSession.js";

export function App() {
  const me = useSession();
  if (!me) return <p>…</p>;
  if (!me.authenticated) return <button onClick={() => login()}>Sign in</button>;
  return (
    <>
      <p id="who">Signed in as {me.claims.name ?? me.claims.sub}.</p>
      <button onClick={() => logout()}>Sign out</button>
      <Orders />
    </>
  );
}

function Orders() {
  const [orders, setOrders] = useState([]);
  useEffect(() => {
    const leaving = new AbortController();
    fetch("/api/orders", { signal: leaving.signal }) // no token here: the gateway adds it
      .then((answer) => (answer.ok ? answer.json() : Promise.reject(new Error(`orders: ${answer.status}`))))
      .then((body) => setOrders(body.orders), (error) => leaving.signal.aborted || console.error(error));
    return () => leaving.abort();
  }, []);
  return <ul id="orders">{orders.map((order) => <li key={order.id}>{order.item}</li>)}</ul>;
}
