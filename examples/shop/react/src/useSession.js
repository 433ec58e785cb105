import { useEffect, useState } from "react";
import { onChange, session } from "/bff/cloakroom.js";

/** Who is signed in: undefined until the gateway has said so, and again whenever that changes. */
export function useSession() {
  const [current, setCurrent] = useState();
  const [error, setError] = useState();
  useEffect(() => {
    let mounted = true;
    session().then((s) => mounted && setCurrent(s), (e) => mounted && setError(e));
    const stop = onChange((change) => change.session && setCurrent(change.session));
    return () => {
      mounted = false;
      stop();
    };
  }, []);
  if (error) throw error; // to the nearest error boundary
  return current;
}
