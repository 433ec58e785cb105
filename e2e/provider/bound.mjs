// An API that takes tokens which are bound to a certificate (RFC 8705 §3), on a connection that
// presents it. jose verifies the tokens. It listens on a free port of 127.0.0.1, prints
// {"url": …} as its first line, and ends with its standard input.
//
//   ISSUER=http://127.0.0.1:3000 TLS='{"key": …, "cert": …}' node bound.mjs
//
// GET /control/stats says how the calls ended.
import { X509Certificate, createHash } from 'node:crypto';
import { createServer } from 'node:https';
import { createRemoteJWKSet, jwtVerify } from 'jose'; // which oidc-provider brings along

const issuer = process.env.ISSUER;
const keys = createRemoteJWKSet(new URL(`${issuer}/jwks`));
const stats = { let_in: 0, refused: [] };

async function judge(request) {
  const { raw } = request.socket.getPeerCertificate();
  if (!raw) throw new Error('the connection presents no certificate');
  const token = request.headers.authorization?.match(/^Bearer (.+)$/)?.[1] ?? '';
  const { payload } = await jwtVerify(token, keys, { issuer, audience: 'https://api.example.test/', typ: 'at+jwt', clockTolerance: 5 });
  const thumbprint = createHash('sha256').update(new X509Certificate(raw).raw).digest('base64url');
  if (payload.cnf?.['x5t#S256'] !== thumbprint) throw new Error(`bound to ${payload.cnf?.['x5t#S256']}, came with ${thumbprint}`);
}

const api = createServer({ ...JSON.parse(process.env.TLS), requestCert: true, rejectUnauthorized: false }, async (request, response) => {
  if (request.url === '/control/stats') return response.setHeader('content-type', 'application/json').end(JSON.stringify(stats));
  try {
    await judge(request);
  } catch (err) {
    stats.refused.push(`${request.url}: ${err.message}`);
    return response.writeHead(401, { 'www-authenticate': 'Bearer error="invalid_token"' }).end();
  }
  stats.let_in += 1;
  return response.end('let in');
});

api.keepAliveTimeout = 60_000; // or calls would meet connections that are just being closed
api.listen(0, '127.0.0.1', () => console.log(JSON.stringify({ url: `https://127.0.0.1:${api.address().port}` })));

// Whoever started this process holds the other end of its standard input.
process.stdin.resume().on('end', () => process.exit(0));
