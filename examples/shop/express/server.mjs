// The shop's API in Express: it checks the access token of each request, and knows nothing
// of cookies, sign-ins and the gateway.
import express from 'express';
import { createRemoteJWKSet, jwtVerify } from 'jose';

const issuer = 'http://localhost:3000/realms/shop';
const audience = 'https://orders.example.com'; // this API, as the provider knows it

const discovery = await fetch(`${issuer}/.well-known/openid-configuration`);
const { jwks_uri } = await discovery.json();
const keys = createRemoteJWKSet(new URL(jwks_uri)); // kept, and fetched again when keys rotate

async function withToken(request, response, next) {
  const token = /^Bearer (.+)$/i.exec(request.get('Authorization') ?? '')?.[1];
  if (!token) return response.status(401).set('WWW-Authenticate', 'Bearer').send('a token is needed');
  try {
    const { payload } = await jwtVerify(token, keys, { issuer, audience, algorithms: ['RS256', 'ES256', 'PS256'] });
    request.user = payload.sub;
  } catch (error) {
    console.error(error.code);
    // The gateway answers this with a fresh token, once.
    return response.status(401).set('WWW-Authenticate', 'Bearer error="invalid_token"').send('the token is no good');
  }
  next();
}

const app = express();
app.get('/api/orders', withToken, (request, response) => {
  response.json({ user: request.user, orders: [{ id: 1, item: 'a coat' }, { id: 2, item: 'an umbrella' }] });
});
const address = new URL('http://localhost:9000');
app.listen(Number(address.port), address.hostname, () => console.log(`the API listens on ${address.origin}`));
