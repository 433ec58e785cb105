// An API that takes tokens which are bound to a key, with a proof for the very request. It
// listens on a free port of 127.0.0.1, prints {"url": …} as its first line, and ends with its
// standard input.
//
//   ISSUER=http://127.0.0.1:3000 node resource.mjs
//
// Each answer has a new nonce, and each nonce is good for one proof (RFC 9449 §9). GET
// /control/stats says how the calls ended.
import { createServer } from 'node:http';
import { randomBytes } from 'node:crypto';
import * as oauth from 'oauth4webapi';

const issuer = new URL(process.env.ISSUER);
const insecure = { [oauth.allowInsecureRequests]: true };
const server = await oauth.discoveryRequest(issuer, insecure).then((answer) => oauth.processDiscoveryResponse(issuer, answer));

const nonces = new Set();
const used = new Set();
const stats = { calls: 0, let_in: 0, nonces_demanded: 0, replays: 0, refused: [] };

const claimsOf = (proof) => JSON.parse(Buffer.from(proof.split('.')[1], 'base64url'));

// judge returns an error code, or nothing.
async function judge(request, response, url) {
  try {
    const plain = new Request(url, { method: request.method, headers: request.headers });
    await oauth.validateJwtAccessToken(server, plain, 'https://api.example.test/', { requireDPoP: true, ...insecure });
  } catch (err) {
    stats.refused.push(`${request.method} ${request.url}: ${err.message}`);
    return 'invalid_token';
  }
  const { jti, nonce } = claimsOf(request.headers.dpop);
  if (used.has(jti)) {
    stats.replays += 1;
    return 'invalid_dpop_proof';
  }
  used.add(jti);
  if (!nonces.delete(nonce)) {
    stats.nonces_demanded += 1;
    return 'use_dpop_nonce';
  }
}

const api = createServer(async (request, response) => {
  const url = `http://${request.headers.host}${request.url}`;
  if (request.url === '/control/stats')
    return response.setHeader('content-type', 'application/json').end(JSON.stringify(stats));
  stats.calls += 1;
  const refused = await judge(request, response, url);
  let body = '';
  for await (const chunk of request) body += chunk;
  const nonce = randomBytes(16).toString('base64url');
  nonces.add(nonce);
  response.setHeader('dpop-nonce', nonce);
  if (refused)
    return response.setHeader('www-authenticate', `dPoP error="${refused}"`).writeHead(401).end();
  stats.let_in += 1;
  return response.setHeader('content-type', 'text/plain').end(body || 'let in');
});

api.keepAliveTimeout = 60_000; // or calls would meet connections that are just being closed
api.listen(0, '127.0.0.1', () => console.log(JSON.stringify({ url: `http://127.0.0.1:${api.address().port}` })));

// Whoever started this process holds the other end of its standard input.
process.stdin.resume().on('end', () => process.exit(0));
