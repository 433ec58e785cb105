// A transmitter of security events that signs with jose. It listens on a free port of 127.0.0.1,
// prints {"issuer": …} as its first line, and ends with its standard input.
//
//   GET  /.well-known/ssf-configuration   its metadata
//   GET  /keys                            its keys
//   POST /send                            {"to", "claims", "header", "key", "authorization"}: signs and pushes; the answer is the receiver's
//   POST /push                            {"to", "token", …}: pushes what it is given
//
// key is "ours", "foreign" (under our kid), or "none", which signs nothing.
import { createServer } from 'node:http';
import { UnsecuredJWT, SignJWT, exportJWK, generateKeyPair } from 'jose';

const ours = await generateKeyPair('RS256');
const foreign = await generateKeyPair('RS256');
const keys = { keys: [{ ...await exportJWK(ours.publicKey), kid: 'k1', alg: 'RS256', use: 'sig' }] };

async function sign({ claims, header, key = 'ours' }) {
  if (key === 'none') return new UnsecuredJWT(claims).encode();
  return new SignJWT(claims)
    .setProtectedHeader({ alg: 'RS256', kid: 'k1', typ: 'secevent+jwt', ...header })
    .sign((key === 'ours' ? ours : foreign).privateKey);
}

async function push(token, { to, authorization, type = 'application/secevent+jwt' }) {
  const headers = { 'content-type': type, accept: 'application/json', ...(authorization && { authorization }) };
  const res = await fetch(to, { method: 'POST', body: token, headers });
  return { status: res.status, type: res.headers.get('content-type') ?? '', body: await res.text(), token };
}

const server = createServer(async (req, res) => {
  const say = (body) => res.setHeader('content-type', 'application/json').end(JSON.stringify(body));
  if (req.url === '/.well-known/ssf-configuration') return say({ issuer, jwks_uri: `${issuer}/keys`, spec_version: '1_0' });
  if (req.url === '/keys') return say(keys);
  let text = '';
  for await (const part of req) text += part;
  const asked = JSON.parse(text);
  return say(await push(req.url === '/push' ? asked.token : await sign(asked), asked));
});

let issuer;
server.listen(0, '127.0.0.1', () => {
  issuer = `http://127.0.0.1:${server.address().port}`;
  console.log(JSON.stringify({ issuer }));
});
process.stdin.resume().on('end', () => process.exit());
