// An OpenID provider for trials on one machine, set up as a realm of Keycloak would be: one
// confidential client with the standard flow, PKCE, refresh tokens that rotate, a logout that
// comes back, and access tokens that are JWTs for the API. Every name and password signs in.
import { createServer } from 'node:http';
import { Provider } from 'oidc-provider';

const issuer = new URL('http://localhost:3000/realms/shop');
const app = 'http://localhost:8080'; // the gateway's public_url
const api = 'https://orders.example.com'; // the audience of access tokens
const scopes = ['openid', 'profile', 'email', 'offline_access'];

const provider = new Provider(issuer.href, {
  clients: [{
    client_id: 'shop',
    client_secret: 'only-for-this-machine',
    grant_types: ['authorization_code', 'refresh_token'],
    redirect_uris: [`${app}/bff/callback`],
    post_logout_redirect_uris: [`${app}/`],
    backchannel_logout_uri: `${app}/bff/backchannel-logout`,
    backchannel_logout_session_required: true,
  }],
  scopes,
  claims: { profile: ['name', 'preferred_username'], email: ['email', 'email_verified'] },
  conformIdTokenClaims: false, // what a scope brings stands in the ID token, too
  findAccount: (_, name) => ({
    accountId: name,
    claims: () => ({ sub: name, name, preferred_username: name, email: `${name}@example.com`, email_verified: true }),
  }),
  pkce: { required: () => true },
  rotateRefreshToken: true,
  issueRefreshToken: (_, client, code) => client.grantTypeAllowed('refresh_token') && code.scopes.has('offline_access'),
  ttl: { AccessToken: 300, RefreshToken: 30 * 24 * 3600, Session: 10 * 3600, Interaction: 600, Grant: 30 * 24 * 3600, IdToken: 300 },
  cookies: { keys: ['only-for-this-machine'] },
  async loadExistingGrant({ oidc: { client, session } }) { // an application of the house asks for no consent
    const grant = new provider.Grant({ clientId: client.clientId, accountId: session.accountId });
    grant.addOIDCScope(scopes.join(' '));
    grant.addResourceScope(api, 'orders');
    await grant.save();
    return grant;
  },
  fetch: (url, { dispatcher, ...rest }) => fetch(url, rest), // its own dispatcher calls nobody on this machine
  features: {
    devInteractions: { enabled: true }, // pages that sign in everybody
    revocation: { enabled: true },
    rpInitiatedLogout: { enabled: true },
    backchannelLogout: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => api,
      useGrantedResource: () => true,
      getResourceServerInfo: () => ({ audience: api, scope: 'orders', accessTokenTTL: 300, accessTokenFormat: 'jwt' }),
    },
  },
});

// Keycloak has its realms below a path, so this has, too.
const answer = provider.callback();
createServer((request, response) => {
  if (!request.url.startsWith(`${issuer.pathname}/`)) return response.writeHead(404).end();
  request.originalUrl = request.url;
  request.url = request.url.slice(issuer.pathname.length);
  return answer(request, response);
}).listen(issuer.port, issuer.hostname, () => console.log(`the provider is ${issuer.href}`));
