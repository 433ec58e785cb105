// Auth0's paths, from the package of the Simulacrum project, in front of which the suite in
// .. runs the gateway. It checks neither the client's secret nor PKCE, and its refresh tokens
// never die; what it is good for are rules, which run at every refresh.
//
// env: PORT; HOME, where .simulacrum/certs has its certificate; the rules are in ./rules of
// the working directory. CommonJS, since rules fail under ES modules.
const { simulation } = require('@simulacrum/auth0-simulator');

simulation({
  initialState: {
    users: [{ id: 'auth0|alice', name: 'Alice', email: 'alice@example.test', password: 'password' }],
  },
  options: { clientID: 'cloakroom', audience: 'https://api.example.test/', rulesDirectory: 'rules' },
}).listen(Number(process.env.PORT), '127.0.0.1');

process.stdin.resume().on('end', () => process.exit()); // it ends with who started it
