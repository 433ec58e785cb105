// A certified OpenID provider that the suite can look into. It listens on a free port of
// 127.0.0.1, prints {"issuer": …} as its first line, and ends with its standard input.
//
//   APP=http://localhost:8080 node provider.mjs
//
// WITHOUT=revocation,rpInitiatedLogout switches features off, DEMAND=par lets pushed
// requests in and no others, DEMAND=jar signed ones, DEMAND=fapi holds clients to FAPI 2.0. The client cloakroom-once may not
// refresh; it has the secret of the other. DPOP=1 binds their tokens to keys (RFC 9449): proofs
// must have a nonce, of which each answer has a new one and each is good once.
//
// CLIENT={"token_endpoint_auth_method": …} changes how the clients are registered; null takes a
// member away. MTLS={"key": …, "cert": …, "ca": …} in PEM opens a second listener, which asks for
// certificates and which the metadata name in mtls_endpoint_aliases; ca is whom it believes.
//
// Refresh tokens rotate at every use. Below /control the suite finds
//
//   GET  /control/stats      what was asked, how often, and how it ended
//   GET  /control/minted     every code and token that ever left, to search for
//   GET  /control/heard      every code_verifier that ever came, likewise
//   POST /control/lifetime   {"access": 60}: seconds, for access tokens from now on
import { generateKeyPairSync, randomBytes, X509Certificate } from 'node:crypto';
import { createServer } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { Provider, interactionPolicy } from 'oidc-provider';
import instance from './node_modules/oidc-provider/lib/helpers/weak_cache.js';

const app = process.env.APP ?? 'http://localhost:8080';
const without = (process.env.WITHOUT ?? '').split(',');
const bound = Boolean(process.env.DPOP);
const demand = (process.env.DEMAND ?? '').split(',');
const fapi = demand.includes('fapi');
const alg = fapi ? 'ES256' : 'RS256'; // of what the provider signs
const api = 'https://api.example.test/';
const scopes = ['openid', 'offline_access', 'profile', 'email'];
const lifetime = { access: 60 };

// What the provider keeps. The package's own memory store forgets beyond 1,000 entries.
const shelf = new Map();
const key = (kind, id) => `${kind}/${id}`;

class Shelf {
  constructor(kind) { this.kind = kind; }

  async upsert(id, value, seconds) {
    shelf.set(key(this.kind, id), { value, until: seconds ? Date.now() + seconds * 1000 : Infinity });
  }

  async find(id) {
    const kept = shelf.get(key(this.kind, id));
    return kept && kept.until > Date.now() ? kept.value : undefined;
  }

  async findByUid(uid) {
    for (const [name, { value, until }] of shelf)
      if (name.startsWith('Session/') && value.uid === uid && until > Date.now()) return value;
    return undefined;
  }

  async consume(id) { shelf.get(key(this.kind, id)).value.consumed = Math.floor(Date.now() / 1000); }

  async destroy(id) { shelf.delete(key(this.kind, id)); }

  async revokeByGrantId(grant) {
    for (const [name, { value }] of shelf) if (value.grantId === grant) shelf.delete(name);
  }
}

const liveRefreshTokens = () => [...shelf].filter(([name, { value, until }]) =>
  name.startsWith('RefreshToken/') && !value.consumed && until > Date.now()).length;

// The package takes acr_values for a wish that may be passed over. Here it is none: who did
// not sign in that way does it now, as well as he can.
const policy = interactionPolicy.base();
policy.get('login').checks.add(new interactionPolicy.Check('acr_values', 'another kind of sign-in is asked for',
  ({ oidc }) => Boolean(oidc.params.acr_values) && !oidc.result?.login && !oidc.params.acr_values.split(' ').includes(oidc.acr)));

// What the suite counts.
const minted = new Set();
const heard = new Set();
const presented = new Map(); // refresh token → how often it came
const stats = { authorizations: 0, pushes: 0, codes: 0, refreshes: 0, refused: 0, revocations: 0, nonces_demanded: 0, logout_tokens: 0, logouts_failed: 0 };

const registered = JSON.parse(process.env.CLIENT ?? '{}');
const mutual = process.env.MTLS && JSON.parse(process.env.MTLS);

// What the other end of a request's connection presents.
const certificateOf = (ctx) => {
  const { raw } = ctx.socket.getPeerCertificate?.() ?? {};
  return raw && new X509Certificate(raw);
};

// What follows from the second listener, if there is one.
const underMutualTLS = (secure) => !secure ? {} : {
  discovery: { mtls_endpoint_aliases: {
    token_endpoint: `${secure}/token`, revocation_endpoint: `${secure}/token/revocation`, userinfo_endpoint: `${secure}/me`,
    pushed_authorization_request_endpoint: `${secure}/request`,
  } },
};

// What FAPI 2.0 asks for beyond the package's own switch (§5.3.2, §5.4.1).
const underFAPI = () => !fapi ? {} : {
  jwks: { keys: [{ ...generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' }), alg, use: 'sig' }] },
  clientDefaults: { id_token_signed_response_alg: alg, authorization_signed_response_alg: alg },
  clientAuthMethods: ['private_key_jwt', ...mutual ? ['tls_client_auth', 'self_signed_tls_client_auth'] : []],
  enabledJWA: {
    idTokenSigningAlgValues: ['PS256', 'ES256', 'EdDSA'],
    authorizationSigningAlgValues: ['PS256', 'ES256', 'EdDSA'],
    clientAuthSigningAlgValues: ['PS256', 'ES256', 'EdDSA'],
    dPoPSigningAlgValues: ['PS256', 'ES256', 'EdDSA'],
  },
};

function makeProvider(issuer, secure) {
  const op = new Provider(issuer, {
    adapter: Shelf,
    clients: [['cloakroom', 'authorization_code', 'refresh_token'], ['cloakroom-once', 'authorization_code']].map(([id, ...grants]) => ({
      client_id: id,
      client_secret: 'a secret: with +, % and space of 40 byte', // Basic must encode it first
      grant_types: grants,
      dpop_bound_access_tokens: bound,
      redirect_uris: [`${app}/bff/callback`],
      post_logout_redirect_uris: [`${app}/`],
      backchannel_logout_uri: `${app}/bff/backchannel-logout`,
      backchannel_logout_session_required: true,
      ...registered,
    })).map((client) => Object.fromEntries(Object.entries(client).filter(([, value]) => value !== null))),
    clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'client_secret_jwt', 'private_key_jwt', 'none',
      ...secure ? ['tls_client_auth', 'self_signed_tls_client_auth'] : []],
    ...underMutualTLS(secure),
    ...underFAPI(),
    scopes,
    claims: { profile: ['name', 'preferred_username'], email: ['email', 'email_verified'] },
    conformIdTokenClaims: false, // claims of a scope stand in the ID token, too
    findAccount: (_, id) => ({
      accountId: id,
      claims: () => ({ sub: id, name: id, preferred_username: id, email: `${id}@example.test`, email_verified: true }),
    }),
    fetch: (url, { dispatcher, ...rest }) => fetch(url, rest), // its own dispatcher refuses loopback
    pkce: { required: () => true },
    rotateRefreshToken: true,
    issueRefreshToken: (_, client) => client.grantTypeAllowed('refresh_token'),
    ttl: { AccessToken: () => lifetime.access, RefreshToken: () => 3600 },
    acrValues: ['pwd', 'phr'],
    interactions: { policy, url: (_, interaction) => `/sign-in/${interaction.uid}` },
    async loadExistingGrant({ oidc: { client, session, params } }) { // a first-party client asks for no consent
      const known = session.grantIdFor(client.clientId);
      const old = known && await op.Grant.find(known);
      if (old) return old;
      const grant = new op.Grant({ clientId: client.clientId, accountId: session.accountId });
      grant.addOIDCScope(scopes.join(' '));
      for (const resource of [api].concat(params.resource ?? [])) grant.addResourceScope(resource, 'read');
      await grant.save();
      return grant;
    },
    features: {
      devInteractions: { enabled: false },
      dPoP: { enabled: bound, nonceSecret: randomBytes(32), requireNonce: () => true },
      mTLS: {
        enabled: Boolean(secure), certificateBoundAccessTokens: true, tlsClientAuth: true, selfSignedTlsClientAuth: true,
        getCertificate: (ctx) => certificateOf(ctx)?.toString(),
        certificateAuthorized: (ctx) => Boolean(ctx.socket.authorized),
        certificateSubjectMatches: (ctx, property, expected) =>
          property === 'tls_client_auth_subject_dn' && certificateOf(ctx).subject === expected,
      },
      revocation: { enabled: !without.includes('revocation') },
      rpInitiatedLogout: { enabled: !without.includes('rpInitiatedLogout') },
      backchannelLogout: { enabled: true },
      pushedAuthorizationRequests: { enabled: true, requirePushedAuthorizationRequests: demand.includes('par') || fapi },
      requestObjects: { enabled: demand.includes('jar'), requireSignedRequestObject: true },
      fapi: { enabled: fapi, profile: '2.0' },
      jwtResponseModes: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => api,
        useGrantedResource: () => true,
        getResourceServerInfo: (_, resource) => ({
          audience: resource, scope: 'read', accessTokenTTL: lifetime.access,
          accessTokenFormat: 'jwt', jwt: { sign: { alg } },
        }),
      },
    },
  });

  // The package's own nonces change with the minutes.
  const nonces = new Set();
  if (bound)
    instance(op).DPoPNonces = {
      nextChallenge() { const nonce = randomBytes(16).toString('base64url'); nonces.add(nonce); return nonce; },
      checkChallenge: (nonce) => nonces.delete(nonce),
    };

  // Around every answer: note what leaves.
  op.use(async (ctx, next) => {
    await next();
    if (ctx.path === '/auth') stats.authorizations += 1;
    if (ctx.path === '/request' && ctx.status === 201) stats.pushes += 1;
    if (ctx.path === '/token/revocation' && ctx.status === 200) stats.revocations += 1;
    if (ctx.path === '/token' && ctx.status === 200)
      for (const name of ['access_token', 'refresh_token', 'id_token']) if (ctx.body[name]) minted.add(ctx.body[name]);
    const location = ctx.response.get('location');
    const code = location && new URL(location, issuer).searchParams.get('code');
    if (code) minted.add(code);
  });

  const present = (ctx) => {
    const verifier = ctx.oidc?.params?.code_verifier;
    if (verifier) heard.add(verifier);
    const token = ctx.oidc?.params?.refresh_token;
    if (token) presented.set(token, (presented.get(token) ?? 0) + 1);
  };
  op.on('grant.success', (ctx) => {
    present(ctx);
    stats[ctx.oidc.params.grant_type === 'refresh_token' ? 'refreshes' : 'codes'] += 1;
  });
  op.on('grant.error', (ctx, err) => {
    if (err.error === 'use_dpop_nonce') { // nothing else was looked at
      stats.nonces_demanded += 1;
      return;
    }
    present(ctx);
    stats.refused += 1;
    console.error('refused:', err.message, err.error_detail ?? '');
  });
  op.on('pushed_authorization_request.error', (_, err) => console.error('not pushed:', err.message, err.error_description ?? '', err.error_detail ?? ''));
  op.on('backchannel.success', () => { stats.logout_tokens += 1; });
  op.on('backchannel.error', (_, err) => {
    stats.logouts_failed += 1;
    console.error('logout token:', err.message, err.error_description ?? '');
  });
  op.on('server_error', (_, err) => console.error(err));
  return op;
}

const page = `<!doctype html><meta name=viewport content="width=device-width"><title>Sign in</title>
<form method=post><label>Login <input name=login value=alice></label> <button id=go>Sign in</button></form>`;

async function bodyOf(request) {
  let text = '';
  for await (const chunk of request) text += chunk;
  return text;
}

async function signIn(op, request, response) {
  if (request.method !== 'POST')
    return response.setHeader('content-type', 'text/html; charset=utf-8').end(page);
  const form = new URLSearchParams(await bodyOf(request));
  const login = form.get('login');
  const { params } = await op.interactionDetails(request, response);
  const acr = form.has('password') ? 'pwd' : params.acr_values?.split(' ')[0];
  const result = login === 'deny' ? { error: 'access_denied' } : { login: { accountId: login, acr } };
  return op.interactionFinished(request, response, result);
}

async function control(path, request, response) {
  const answer = (value) => response.setHeader('content-type', 'application/json').end(JSON.stringify(value));
  switch (`${request.method} ${path}`) {
    case 'GET /control/stats':
      return answer({ ...stats, live_refresh_tokens: liveRefreshTokens(), most_presentations: Math.max(0, ...presented.values()) });
    case 'GET /control/minted':
      return answer([...minted]);
    case 'GET /control/heard':
      return answer([...heard]);
    case 'POST /control/lifetime':
      Object.assign(lifetime, JSON.parse(await bodyOf(request)));
      return answer(lifetime);
    default:
      return response.writeHead(404).end();
  }
}

const address = (server) => `127.0.0.1:${server.address().port}`;
const listening = (server) => new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });

const server = createServer();
await listening(server);
const issuer = `http://${address(server)}`;
const servers = [server];
if (mutual) {
  servers.push(createSecureServer({ ...mutual, requestCert: true, rejectUnauthorized: false }));
  await listening(servers[1]);
}
for (const each of servers) each.keepAliveTimeout = 60_000; // or a request meets a connection that is just being closed, and its answer is lost
const op = makeProvider(issuer, mutual && `https://${address(servers[1])}`);
const oidc = op.callback();
const serve = async (request, response) => {
  const { pathname } = new URL(request.url, issuer);
  try {
    if (pathname.startsWith('/control/')) await control(pathname, request, response);
    else if (pathname.startsWith('/sign-in/')) await signIn(op, request, response);
    else await oidc(request, response);
  } catch (err) {
    console.error(err);
    if (!response.headersSent) response.writeHead(500);
    response.end(`${err.message}\n`);
  }
};
for (const each of servers) each.on('request', serve);
console.log(JSON.stringify({ issuer }));

// Whoever started this process holds the other end of its standard input.
process.stdin.resume().on('end', () => process.exit(0));
