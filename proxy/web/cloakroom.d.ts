// The types of cloakroom.js, which the gateway serves below its base path:
//
//   import { fetch, login, logout, onChange, session } from "/bff/cloakroom.js";

/** What GET /bff/session tells. Times are seconds; without a session all but two members are null. */
export type Session = SignedIn | SignedOut;

export interface SignedIn {
  readonly authenticated: true;
  /** Seconds until the session ends whatever happens. */
  readonly expires_in: number;
  /** Seconds until it ends if nobody uses it. */
  readonly idle_expires_in: number;
  /** What ends it if nobody uses it; "provider" where the provider set a limit at the login. */
  readonly limit: "idle" | "absolute" | "provider";
  /** Seconds that the access token still has. The gateway refreshes it by itself. */
  readonly access_token_expires_in: number | null;
  readonly login_url: string;
  readonly logout_url: string;
  /** When the user signed in at the provider, in seconds since 1970. */
  readonly auth_time: number | null;
  readonly acr: string | null;
  readonly claims: Readonly<Record<string, unknown>>;
}

export interface SignedOut {
  readonly authenticated: false;
  readonly expires_in: null;
  readonly idle_expires_in: null;
  readonly limit: null;
  readonly access_token_expires_in: null;
  readonly login_url: string;
  readonly logout_url: null;
  readonly auth_time: null;
  readonly acr: null;
  readonly claims: null;
}

/** What {@link session} and {@link logout} reject with if the gateway answers an error. */
export interface GatewayError extends Error {
  readonly status: number;
  /** The `Cloakroom-Error` code, such as `store_unavailable`; empty if the answer is not the gateway's. */
  readonly code: string;
}

/** What has happened; `session` is what holds now. */
export type Change =
  /** There is a session: a new one, or another one than before. */
  | { readonly type: "logged-in"; readonly session: SignedIn }
  /** It is over: signed out here, in another tab or from outside, or a limit was reached. */
  | { readonly type: "logged-out"; readonly session: SignedOut }
  /** It ends soon unless somebody does something; told once for each end. */
  | { readonly type: "session-expiring"; readonly session: SignedIn }
  /** There are new tokens, and maybe new claims. */
  | { readonly type: "refreshed"; readonly session: SignedIn }
  /** The gateway refused a {@link fetch} of this page, and a login mends it: go to `login_url`. */
  | { readonly type: "login-required"; readonly session: Session | undefined; readonly code: string; readonly login_url: string };

export interface FetchInit extends RequestInit {
  /** Where a gateway's 401 leads: true goes to the login at once, else listeners of {@link onChange} hear `login-required`. */
  login?: boolean;
}

/** Asks who is signed in, and for how long. Whoever asks meanwhile shares the answer. Never extends the session. */
export function session(): Promise<Session>;

/**
 * Leaves for the login. Called many times at once it goes once.
 * @param returnUrl where to come back to, on this origin; this page if left out
 * @param params passed on to the provider as far as provider.login_params allows, such as `{ prompt: "login" }`
 */
export function login(returnUrl?: string, params?: Readonly<Record<string, string>>): void;

/** Ends the session, tells the other tabs and leaves for the provider's logout. Rejects if the session could not be ended. */
export function logout(): Promise<void>;

/**
 * The browser's fetch, with `X-CSRF: 1` on requests to this origin and on no other. The answer is returned as it came, also a
 * 401; a 401 of the gateway's own also becomes `login-required`, or a login. A call that is redirected to another origin takes
 * the header along: use the browser's own fetch where that is not wanted.
 */
export function fetch(input: RequestInfo | URL, init?: FetchInit): Promise<Response>;

/**
 * Calls back whenever the session changes, in this tab or outside: by server-sent events, else within ten seconds while the
 * page can be seen. What holds at first is no change; ask {@link session} for that.
 * @returns a function that ends the calls
 */
export function onChange(callback: (change: Change) => void): () => void;
