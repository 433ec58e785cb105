import { onScopeDispose, ref } from "vue";
import { onChange, session } from "/bff/cloakroom.js";

/** Who is signed in: undefined until the gateway has said so, and again whenever that changes. */
export function useSession() {
  const current = ref();
  session().then((s) => (current.value = s), console.error);
  onScopeDispose(onChange((change) => {
    if (change.session) current.value = change.session;
  }));
  return current;
}
