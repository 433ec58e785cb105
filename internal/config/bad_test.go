package config_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/config"
)

var update = flag.Bool("update", false, "write the golden files anew")

// Each mistake gives one line, where it stands. The rows change the smallest useful file.
var mistakes = []struct{ name, old, new, want string }{
	// The file.
	{"a typo", "client_id:", "clientid:", "4:3: unknown key \"clientid\" of provider: did you mean client_id?"},
	{"a typo at the top", "routes:", "log: {levle: debug}\nroutes:", `8:7: unknown key "levle" of log: did you mean level?`},
	{"a group with a typo", "session:", "sesion:", `6:1: unknown key "sesion" on the top level: did you mean session?`},
	{"a key in the wrong place", "routes:", "idle_timeout: 1h\nroutes:", `8:1: unknown key "idle_timeout" on the top level: did you mean session.idle_timeout?`},
	{"no YAML", "session:", "session: [", "8:1: not YAML: ',' or ']' must be specified"},
	{"a tab", "  client_id:", "\tclient_id:", "4:1: not YAML: found character 'tab' that cannot start any token; indent with spaces"},
	{"an unquoted reference", `["${file:key}"]`, `[${file:key}]`, "7:11: not YAML: ',' or ']' must be specified; inside { } and [ ] put ${…} into quotes"},
	{"a control character", "3f9a…", "a\x01b", "4:15: a control character (U+0001): take it out"},
	{"a second document", "session:", "---\nsession:", "7:8: a second document: write all into one, without a --- between"},
	{"a tag", "3f9a…", "!!str x", "4:14: a YAML tag: leave it out, the key says what its value is"},
	{"an alias to nothing", "https://tenant.eu.auth0.com/", "*nothing", "3:11: no anchor of this name stands before: write &name at the value that is meant"},

	{"a name with a line break", "    upstream", "    headers: {set: {\"X\\nY\": x}}\n    upstream", `10:29: routes[0].headers.set.X�Y: "X\nY" is no name of a header: write letters, digits and hyphens`},

	// Types.
	{"text for a mapping", "session:\n", "log: loud\nsession:\n", "6:6: log: is text: write keys and values below it"},
	{"text for a list", "  issuer", "  scopes: openid\n  issuer", "3:11: provider.scopes: is text: write a list, such as [one, two]"},
	{"a list for text", "https://app.example.com", "[a, b]", "1:1: public_url: is a list: write a single value"},
	{"true for text", "3f9a…", "true", "4:14: provider.client_id: is true or false: write text, in quotes if it is meant so"},
	{"nothing for text", " 3f9a…", "", "4:13: provider.client_id: has no value: write one, or leave the key out"},
	{"yes for true", "  issuer", "  userinfo: yes\n  issuer", `3:13: provider.userinfo: "yes" is neither true nor false: write one of them`},
	{"no connection at all", "provider:", "max_connections: 0\nprovider:", `2:18: max_connections: "0" is too small: write 1 or more`},
	{"a fraction for a count", "  keys", "  max_per_user: 1.5\n  keys", `7:17: session.max_per_user: "1.5" is no whole number: write 0 or more`},

	// References.
	{"an unset variable", "${env:CLIENT_SECRET}", "${env:NOWHERE}", `5:18: provider.client_secret: the environment has no variable "NOWHERE": set it, or take the reference out`},
	{"an unreadable file", "${file:key}", "${file:nowhere}", `7:10: session.keys[0]: the file "nowhere" cannot be read (no such file or directory): create it, or make it readable for this user`},
	{"a directory for a file", "${file:key}", "${file:/}", `7:10: session.keys[0]: the file "/" cannot be read (it is no regular file): create it, or make it readable for this user`},
	{"a reference to nothing known", "${env:CLIENT_SECRET}", "a${b}", "5:18: provider.client_secret: a ${ that is neither ${env:NAME} nor ${file:PATH}: write one of them, or $${ for a plain ${"},
	{"a reference without an end", "${env:CLIENT_SECRET}", "a${env:B", "5:18: provider.client_secret: ${ without a }: write ${env:NAME} or ${file:PATH}, and $${ for a plain ${"},

	// What is missing.
	{"no public_url", "public_url: https://app.example.com\n", "", "1:1: public_url: is missing: write public_url: https://app.example.com"},
	{"no issuer", "  issuer: https://tenant.eu.auth0.com/\n", "", "2:1: provider.issuer: is missing: write issuer: https://login.example.com/"},
	{"no secret", "  client_secret: ${env:CLIENT_SECRET}\n", "", "2:1: provider.client_secret: is missing: write client_secret: ${env:CLIENT_SECRET}"},
	{"an empty secret", "${env:CLIENT_SECRET}", `""`, "5:18: provider.client_secret: is empty: write the client's secret, best as ${env:NAME}"},
	{"no keys", `["${file:key}"]`, "[]", "7:3: session.keys: has no key: write one that `cloakroom keys new` made, best as ${file:PATH}"},
	{"no upstream", "    upstream: http://orders:9000\n", "", "9:5: routes[0].upstream: is missing: write upstream: http://… or files: ./…"},
	{"no path", "path: /api/\n    upstream", "upstream", "9:5: routes[0].path: is missing: write path: /api/"},
	{"events of nobody", "routes:", "signals: {audience: [x]}\nroutes:", "8:11: signals.audience: counts for nothing without signals.issuer: write the transmitter's issuer, too"},
	{"an event that is misspelt", "routes:", "signals: {issuer: \"https://x\", events: {session-revokd: end}}\nroutes:", "8:57: signals.events.session-revokd: is no event that is known here: did you mean session-revoked?"},
	{"an event of nobody's", "routes:", "signals: {issuer: \"https://x\", events: {verification: end}}\nroutes:", "8:55: signals.events.verification: is no event that is known here: write the last part of its URI, such as session-revoked"},
	{"an effect of nobody's", "routes:", "signals: {issuer: \"https://x\", events: {session-revoked: kill}}\nroutes:", `8:58: signals.events.session-revoked: "kill" is not known: write end, refresh or ignore`},
	{"a transmitter in the clear", "routes:", "signals: {issuer: \"http://x\"}\nroutes:", `8:19: signals.issuer: "http://x" is http, which anybody on the way can read: write https (http is for loopback hosts only)`},
	{"no openid", "  issuer", "  scopes: [profile]\n  issuer", "3:3: provider.scopes: openid is missing: without it there is no ID token, write it in front"},

	// Addresses.
	{"http for everybody", "https://app.", "http://app.", `1:13: public_url: "http://app.example.com" is http, which anybody on the way can read: write https (http is for loopback hosts only)`},
	{"a public_url with a path", "app.example.com", "app.example.com/app", `1:13: public_url: "https://app.example.com/app" has a path or a query: write scheme, host and port only (base_path has its own key)`},
	{"a public_url without scheme", "https://app.", "app.", `1:13: public_url: "app.example.com" is no https or http URL: write one such as https://app.example.com`},
	{"an issuer on http", "https://tenant", "http://tenant", `3:11: provider.issuer: "http://tenant.eu.auth0.com/" is http, which anybody on the way can read: write https (http is for loopback hosts only)`},
	{"an upstream on ftp", "http://orders", "ftp://orders", `10:15: routes[0].upstream: "ftp://orders:9000" is no http, https or h2c URL: write one such as http://orders:9000`},
	{"an upstream with a password", "http://orders", "http://gw:hunter2@orders", "10:15: routes[0].upstream: the value has a user name in it: take it out"},
	{"an upstream with a query", "orders:9000", "orders:9000/?a=b", `10:15: routes[0].upstream: "http://orders:9000/?a=b" has a query: write scheme, host, port and path only`},
	{"a port alone", "session:\n", "listen: 8080\nsession:\n", `6:9: listen: "8080" is no address to listen at: write host and port, such as ":8080" or "127.0.0.1:9090"`},
	{"one address twice", "session:\n", "listen: :9090\nsession:\n", "6:9: listen: is the address of admin.listen, too: write another port"},
	{"an address for a network", "session:\n", "trusted_proxies: [10.0.0.1]\nsession:\n", `6:19: trusted_proxies[0]: "10.0.0.1" is one address: write it with its length, /32`},
	{"a network with bits below", "session:\n", "trusted_proxies: [10.0.0.1/8]\nsession:\n", `6:19: trusted_proxies[0]: "10.0.0.1/8" has bits below its length /8: write the first address of the network`},
	{"an open admin listener", "session:\n", "admin: {listen: \":9090\"}\nsession:\n", "6:17: admin.listen: others than this machine reach it, and it has no token: write admin.token, or listen at 127.0.0.1"},
	{"a delegation endpoint", "  issuer", "  endpoints: {token: \"https://t.eu.auth0.com/delegation\"}\n  issuer", `3:22: provider.endpoints.token: "https://t.eu.auth0.com/delegation" is Auth0's delegation endpoint, which is deprecated and not supported: write the token endpoint, /oauth/token`},
	{"a landing elsewhere", "session:\n", "post_logout_url: //evil.example\nsession:\n", `6:18: post_logout_url: "//evil.example" could be read as another site: write a path such as /goodbye, or an absolute URL`},
	{"a resource with a fragment", "  issuer", "  resource: [\"https://a/#b\"]\n  issuer", `3:14: provider.resource[0]: "https://a/#b" is no resource: write an absolute URI without a fragment, such as https://api.example.com/`},

	// Durations, sizes, words.
	{"a duration without a unit", "  issuer", "  timeout: 10\n  issuer", `3:12: provider.timeout: "10" is no duration: write a number with a unit, such as 30s, 5m or 8h`},
	{"a duration in days", "  keys", "  absolute_timeout: 7d\n  keys", `7:21: session.absolute_timeout: "7d" is no duration: write days as hours, such as 168h`},
	{"a negative duration", "  keys", "  idle_timeout: -1h\n  keys", `7:17: session.idle_timeout: "-1h" is too short: write more than 0s`},
	{"idle longer than absolute", "  keys", "  idle_timeout: 200h\n  keys", "7:17: session.idle_timeout: idle_timeout is longer than absolute_timeout: write an idle limit that can be reached"},
	{"a size without sense", "    access: public", "    access: public\n    max_body: 10Mb", `14:15: routes[1].max_body: "10Mb" is no size: write a whole number with a unit, such as 512KiB, 10MiB or 2GiB`},
	{"a rate without a unit", "  keys", "  refresh: {rate: 20}\n  keys", `7:19: session.refresh.rate: "20" is no rate: write a number and a unit, such as 20/s, 300/m or 1000/h`},
	{"a word with a typo", "access: public", "access: publik", `13:13: routes[1].access: "publik" is not known: did you mean public?`},
	{"a word out of nowhere", "  issuer", "  client_auth: kerberos\n  issuer", `3:16: provider.client_auth: "kerberos" is not known: write client_secret_basic, client_secret_post, client_secret_jwt, private_key_jwt, tls_client_auth, self_signed_tls_client_auth or none`},
	{"SameSite none", "  keys", "  cookie: {same_site: none}\n  keys", `7:23: session.cookie.same_site: "none" would send the session with every request of every site: write strict or lax`},
	{"CSRF off", "    access: public", "    access: public\n    csrf: off", `14:11: routes[1].csrf: "off" would let any site use the route with the browser's session: if that is meant, write insecure_off`},

	// Secrets.
	{"a short key", `"${file:key}"`, "c2hvcnQ=", "7:10: session.keys[0]: the value has 5 bytes, a key has 32: write a key that `cloakroom keys new` made"},
	{"a key that is no base64", `"${file:key}"`, "'not base64!'", "7:10: session.keys[0]: the value is no base64: write a key that `cloakroom keys new` made"},
	{"a secret without use", "  issuer", "  client_auth: none\n  issuer", "6:18: provider.client_secret: client_auth none has no secret: take it out, or write client_auth: client_secret_basic"},

	// Contradictions.
	{"a certificate without key", "session:\n", "tls: {cert_file: key}\nsession:\n", "6:18: tls.cert_file: has no key: write tls.key_file, too, or neither"},
	{"a root that is not there", "  issuer", "  ca_file: roots.pem\n  issuer", "3:12: provider.ca_file: the file cannot be read (no such file or directory): write the path of a file that is there; a relative one begins at the configuration's directory"},
	{"upstream and files", "upstream: http://orders:9000", "upstream: http://orders:9000\n    files: ./x", "11:12: routes[0].files: the route has an upstream, too: write one of the two"},
	{"passthrough behind a login", "    upstream", "    token: passthrough\n    upstream", "10:12: routes[0].token: passthrough forwards what anybody sends: write access: public, too"},
	{"a login where none is needed", "    access: public", "    access: public\n    unauthenticated: login", "14:22: routes[1].unauthenticated: access public lets requests without a session pass: write auto, or access: required"},
	{"a cookie bound to a path", "  keys", "  cookie: {name: __Secure-sid}\n  keys", "7:18: session.cookie.name: has a prefix that does not bind it to the host: write __Host-Http- in front, or leave name empty"},
	{"a cookie with a domain", "  keys", "  cookie: {domain: example.com}\n  keys", `7:12: unknown key "domain" of session.cookie: leave it out; the cookie is for one host only and has no Domain`},
	{"a grant type", "  issuer", "  grant_type: password\n  issuer", `3:3: unknown key "grant_type" of provider: leave it out; the gateway runs the authorization-code flow and refreshes, no other grant`},
	{"a state of one's own", "  issuer", "  authorize_params: {state: x}\n  issuer", "3:29: provider.authorize_params.state: is the gateway's own parameter: take it out"},
	{"an audience twice", "  issuer", "  audience: a\n  authorize_params: {audience: b}\n  issuer", "4:32: provider.authorize_params.audience: is there twice: keep provider.audience"},
	{"a browser's redirect_uri", "  issuer", "  login_params: [redirect_uri]\n  issuer", `3:18: provider.login_params[0]: "redirect_uri" is the gateway's own parameter, and no browser's: take it out`},

	// Routes.
	{"a path without slash", "/api/", "api/", `9:11: routes[0].path: "api/" does not begin with a slash: write one in front`},
	{"dot segments", "/api/", "/api/../x", `9:11: routes[0].path: "/api/../x" has a dot segment: write the path that it leads to`},
	{"an encoded path", "/api/", "/a%2fb", `9:11: routes[0].path: "/a%2fb" has an escape, which servers read in two ways: write a path without %`},
	{"a path with a query", "/api/", "/api?a", `9:11: routes[0].path: "/api?a" has a query or a fragment, which play no part: write the path only`},
	{"a route on our endpoints", "/api/", "/bff/login", "9:11: routes[0].path: the gateway's own endpoints are there, below base_path: write another path, or another base_path"},
	{"the base path is everything", "session:\n", "base_path: /\nsession:\n", `6:12: base_path: "/" would be the whole host: write a path of its own, such as /bff`},
	{"the same route twice", "path: /\n", "path: /api/\n", "11:11: routes[1].path: routes[0] has the same path, for the same host and methods: keep one, or divide the methods"},
	{"routes that differ in case", "path: /\n", "path: /API/\n", "11:11: routes[1].path: differs from that of routes[0] in letter case only, which servers read in two ways: write another one"},
	{"a prefix that is none", "    upstream", "    strip_prefix: /ap\n    upstream", `10:19: routes[0].strip_prefix: is no beginning of the path: write whole segments of it`},
	{"a method in small letters", "    upstream", "    methods: [get]\n    upstream", `10:15: routes[0].methods[0]: "get" is not in capitals, and methods are case-sensitive: write it so`},
	{"a host with a scheme", "    upstream", "    host: https://a\n    upstream", `10:11: routes[0].host: "https://a" is no host: write a name such as shop.example.com, with a port if it has one`},
	{"a header of ours", "    upstream", "    headers: {set: {authorization: x}}\n    upstream", "10:36: routes[0].headers.set.authorization: the gateway sets or drops this header itself: take it out"},
	{"a header that is none", "    upstream", "    headers: {set: {\"X User\": x}}\n    upstream", `10:31: routes[0].headers.set.X User: "X User" is no name of a header: write letters, digits and hyphens`},
	{"a claim without end", "    upstream", "    headers: {set: {X-User: \"{claims.sub\"}}\n    upstream", `10:29: routes[0].headers.set.X-User: the value has a brace that begins no claim: write {claims.name} or {claims["name"]}, and {{ for a plain brace`},
	{"claims for nobody", "    upstream", "    access: public\n    headers: {set: {X-User: \"{claims.sub}\"}}\n    upstream", "11:29: routes[0].headers.set.X-User: access public sends no claims: write access: required or optional, or take it out"},

	// Tokens by route.
	{"an exchange for nobody", "    upstream", "    access: public\n    token: exchange\n    upstream", "11:12: routes[0].token: exchange trades the session's token, and access public asks for no session: write access: required, or token: client"},
	{"a client's token that nobody gets", "    upstream", "    token: user_or_client\n    upstream", "10:12: routes[0].token: user_or_client is for requests without a session, too, and access required lets none in: write access: optional, or token: user"},
	{"a client without credentials", "  client_secret: ${env:CLIENT_SECRET}\nsession:\n  keys: [\"${file:key}\"]\nroutes:\n  - path: /api/\n", "  client_auth: none\nsession:\n  keys: [\"${file:key}\"]\nroutes:\n  - path: /api/\n    token: client\n", "10:12: routes[0].token: client needs a confidential client, and provider.client_auth is none: write client_secret_basic there, or another token here"},
	{"an audience of no token", "    upstream", "    token: none\n    audience: orders\n    upstream", "11:15: routes[0].audience: is for a token, and the gateway puts none on this route's requests: take it out"},
	{"scopes of files", "    files: ./dist", "    scopes: [read]\n    files: ./dist", "12:5: routes[1].scopes: is for a token, and the gateway puts none on this route's requests: take it out"},
	{"a resource of the public", "    upstream", "    access: public\n    resource: https://orders.example/\n    upstream", "11:15: routes[0].resource: is for a token, and the gateway puts none on this route's requests: take it out"},
	{"details of no token", "    upstream", "    token: none\n    authorization_details: [{type: a}]\n    upstream", "11:5: routes[0].authorization_details: is for a token, and the gateway puts none on this route's requests: take it out"},
	{"details that are no list", "    upstream", "    authorization_details: {type: a}\n    upstream", "10:5: routes[0].authorization_details: is a mapping: write a list of objects that each have a type, such as [{type: account_information, actions: [read]}]"},
	{"details that are no objects", "    upstream", "    authorization_details: [account]\n    upstream", "10:29: routes[0].authorization_details[0]: is text: write an object with a type, such as [{type: account_information, actions: [read]}]"},
	{"details without a type", "    upstream", "    authorization_details: [{actions: [read]}]\n    upstream", "10:29: routes[0].authorization_details[0]: has no type: write one that the provider knows, such as [{type: account_information, actions: [read]}]"},
	{"details whose type is none", "    upstream", "    authorization_details: [{type: 7}]\n    upstream", "10:36: routes[0].authorization_details[0].type: is a number: write the name of a type that the provider knows"},
	{"details with a number of YAML's", "    upstream", "    authorization_details: [{type: a, n: 0x1F}]\n    upstream", `10:42: routes[0].authorization_details[0].n: "0x1F" is no number in JSON: write it in plain decimals, or in quotes if it is text`},
	{"details with nothing", "    upstream", "    authorization_details: [{type: a, n: [null]}]\n    upstream", "10:43: routes[0].authorization_details[0].n[0]: has no value: write one, or leave the key out"},
	{"an actor of nothing", "    upstream", "    actor: client\n    upstream", "10:12: routes[0].actor: is named in a token that was traded: write token: exchange, or take it out"},
	{"a scope twice", "    upstream", "    scopes: [a, b, a]\n    upstream", "10:20: routes[0].scopes[2]: is there twice: keep one"},
	{"a claim of anybody", "    upstream", "    access: optional\n    require: {claims: {groups: staff}}\n    upstream", "11:15: routes[0].require.claims: access optional lets requests without a session pass, so that this keeps nobody out: write access: required"},
	{"a scope of anybody", "    upstream", "    access: public\n    require: {scopes: [read]}\n    upstream", "11:15: routes[0].require.scopes: access public lets requests without a session pass, so that this keeps nobody out: write access: required"},
	{"a step-up of anybody", "    upstream", "    access: public\n    require: {acr: gold}\n    upstream", "11:20: routes[0].require.acr: access public lets requests without a session pass, so that this keeps nobody out: write access: required"},
	{"a fresh login of anybody", "    upstream", "    access: optional\n    require: {max_age: 60}\n    upstream", "11:24: routes[0].require.max_age: access optional lets requests without a session pass, so that this keeps nobody out: write access: required"},
	{"a step-up to nothing", "    upstream", "    require: {acr: \" \"}\n    upstream", "10:20: routes[0].require.acr: names no authentication context that a login can be asked for: write one, or several with spaces between them, such as phr phrh"},
	{"a login of half a second", "    upstream", "    require: {max_age: 500ms}\n    upstream", "10:24: routes[0].require.max_age: cannot be asked for at a login: write whole seconds, at most ten years of them"},
	{"a claim without value", "    upstream", "    require: {claims: {groups: []}}\n    upstream", "10:24: routes[0].require.claims.groups: has no value that would do: write one, or a list of them"},

	// Pages at other origins.
	{"CORS for everybody", "session:\n", "cors: {origins: [\"*\"]}\nsession:\n", `6:18: cors.origins[0]: "*" would let other pages act for the user: write each origin as a whole, such as https://www.example.com`},
	{"CORS for a pattern", "session:\n", "cors: {origins: [\"https://*.example.com\"]}\nsession:\n", `6:18: cors.origins[0]: "https://*.example.com" would let other pages act for the user: write each origin as a whole, such as https://www.example.com`},
	{"CORS for frames", "session:\n", "cors: {origins: [\"null\"]}\nsession:\n", `6:18: cors.origins[0]: "null" is no https or http URL: write one such as https://www.example.com`},
	{"CORS for a path", "session:\n", "cors: {origins: [\"https://www.example.com/app\"]}\nsession:\n", `6:18: cors.origins[0]: "https://www.example.com/app" has a path or a query: write scheme, host and port only`},
	{"CORS for http", "session:\n", "cors: {origins: [\"http://www.example.com\"]}\nsession:\n", `6:18: cors.origins[0]: "http://www.example.com" is http, which anybody on the way can read: write https (http is for loopback hosts only)`},
	{"CORS for ourselves", "session:\n", "cors: {origins: [\"https://APP.example.com:443/\"]}\nsession:\n", "6:18: cors.origins[0]: is the public origin, whose pages need no permission: take it out"},
	{"CORS for another site", "session:\n", "cors: {origins: [\"https://www.badexample.com\"]}\nsession:\n", "6:18: cors.origins[0]: is another site than public_url, and browsers send no ticket across sites: serve the pages below the same domain, or through the gateway"},
	{"CORS twice", "session:\n", "cors: {origins: [\"https://www.example.com\", \"https://www.example.com:443\"]}\nsession:\n", "6:45: cors.origins[1]: is there twice: keep one"},

	// Upstreams that were there before.
	{"a credential beside a token", "    upstream", "    upstream_auth: {basic: {user: gw, password: hunter2}}\n    upstream", "10:5: routes[0].upstream_auth: stands where the token would: write token: none, too"},
	{"a password of nobody", "    upstream", "    token: none\n    upstream_auth: {basic: {password: hunter2}}\n    upstream", "11:39: routes[0].upstream_auth.basic.password: has no user: write user, too; for a key that is no password write authorization"},
	{"two credentials", "    upstream", "    token: none\n    upstream_auth: {basic: {user: gw}, authorization: x}\n    upstream", "11:55: routes[0].upstream_auth.authorization: is there beside basic: write one of the two"},
	{"a user with a colon", "    upstream", "    token: none\n    upstream_auth: {basic: {user: \"gw:hunter2\"}}\n    upstream", "11:35: routes[0].upstream_auth.basic.user: the value has a colon, which ends a user's name: write the password apart"},
	{"a credential for files", "    files: ./dist", "    upstream_auth: {authorization: x}\n    files: ./dist", "12:5: routes[1].upstream_auth: is for an upstream, and files have none: take it out"},
	{"a bearer for files", "    files: ./dist", "    allow_bearer: true\n    files: ./dist", "12:19: routes[1].allow_bearer: is for an upstream, and files have none: take it out"},
	{"a bearer where nobody asks", "    upstream", "    access: public\n    allow_bearer: true\n    upstream", "11:19: routes[0].allow_bearer: is for routes that ask for a ticket, and access public asks for none: write token: passthrough instead"},
	{"an assertion in nothing", "    upstream", "    assertion: {claims: [email]}\n    upstream", "10:5: routes[0].assertion: has no header to be sent in: write one, such as header: X-Identity"},
	{"an assertion in our header", "    upstream", "    assertion: {header: Authorization}\n    upstream", "10:25: routes[0].assertion.header: the gateway sets or drops this header itself: write another one, such as X-Identity"},
	{"an assertion in no header", "    upstream", "    assertion: {header: \"X Y\"}\n    upstream", `10:25: routes[0].assertion.header: "X Y" is no name of a header: write letters, digits and hyphens`},
	{"an assertion in a header that is set", "    upstream", "    assertion: {header: X-User}\n    headers: {set: {X_User: a}}\n    upstream", "10:25: routes[0].assertion.header: headers.set sets it, too: write another one"},
	{"an assertion about nobody", "    upstream", "    access: public\n    assertion: {header: X-Who}\n    upstream", "11:5: routes[0].assertion: is about the user, and access public asks for none: write access: required or optional, or take it out"},
	{"an assertion for files", "    files: ./dist", "    assertion: {header: X-Who}\n    files: ./dist", "12:5: routes[1].assertion: is for an upstream, and files have none: take it out"},
	{"a claim of the gateway's own", "    upstream", "    assertion: {header: X-Who, claims: [email, exp]}\n    upstream", "10:48: routes[0].assertion.claims[1]: is in every assertion, as the gateway writes it: take it out"},

	// Presets, and what they are made of.
	{"a preset that nobody has", "  issuer", "  preset: auto0\n  issuer", `3:11: provider.preset: "auto0" is not known: did you mean auth0?`},
	{"a tenant by its domain", "  issuer", "  issuer_template: https://x.example/{tenantid}\n  allowed_tenants: [contoso.example]\n  issuer", `4:21: provider.allowed_tenants[0]: "contoso.example" is no tenant's id: write the one of the claim tid, such as 9188040d-6c67-4c5b-b112-36a304b66dad, and no domain or *`},
	{"tenants without a template", "  issuer", "  allowed_tenants: [9188040d-6c67-4c5b-b112-36a304b66dad]\n  issuer", "3:3: provider.allowed_tenants: there is no issuer_template, so that nothing tells one tenant from the other: write it, too, such as https://login.microsoftonline.com/{tenantid}/v2.0"},
	{"a template for nobody", "  issuer", "  issuer_template: https://x.example/{tenantid}\n  issuer", "3:20: provider.issuer_template: lets the users of no tenant in: write allowed_tenants, the ids of those whose users may sign in"},
	{"a template without a place", "  issuer", "  issuer_template: https://x.example/organizations\n  issuer", `3:20: provider.issuer_template: "https://x.example/organizations" does not have {tenantid} once in its path: write it as the discovery document does, such as https://login.microsoftonline.com/{tenantid}/v2.0`},
	{"a tenant as host", "  issuer", "  issuer_template: https://{tenantid}.x.example/\n  issuer", `3:20: provider.issuer_template: "https://{tenantid}.x.example/" has a query, or {tenantid} outside its path: write it as the discovery document does`},
	{"one issuer and many", "  issuer", "  issuers: [x]\n  issuer_template: https://x.example/{tenantid}\n  allowed_tenants: [9188040d-6c67-4c5b-b112-36a304b66dad]\n  issuer", "3:3: provider.issuers: goes with one issuer, and allowed_tenants with many: keep one of them"},
	{"a logout to a placeholder", "  issuer", "  logout: https://{client_id}.x.example/out\n  issuer", `3:11: provider.logout: "https://{client_id}.x.example/out" has a placeholder outside its query: write it behind the question mark, such as ?to={return_url}`},
	{"a placeholder that nobody fills", "  issuer", "  logout: https://x.example/out?to={returnTo}\n  issuer", `3:11: provider.logout: "https://x.example/out?to={returnTo}" has a placeholder that is not known: write {return_url}, {client_id}, {id_token} or {sid}`},
	{"a logout by http", "  issuer", "  logout: http://x.example/out?to={return_url}\n  issuer", `3:11: provider.logout: "http://x.example/out?to={return_url}" is http, which anybody on the way can read: write https (http is for loopback hosts only)`},
	{"a lost answer", "session:\n", "session:\n  refresh: {unknown_outcome: again}\n", `7:30: session.refresh.unknown_outcome: "again" is not known: write wait or retry`},

	// Upstreams.
	{"two schemes", "http://orders:9000", `["http://a:1", "https://b:1"]`, "10:30: routes[0].upstream[1]: has another scheme than the first one: a list is of servers that do the same"},
	{"two paths", "http://orders:9000", `["http://a:1/v1", "http://b:1/v2"]`, "10:33: routes[0].upstream[1]: has another path than the first one: a list is of servers that do the same"},
	{"one upstream twice", "http://orders:9000", `["http://a:1", "http://A:1"]`, "10:30: routes[0].upstream[1]: is there twice: keep one"},
	{"too many upstreams", "http://orders:9000", "[" + strings.Repeat("http://a:1, ", 65) + "]", "10:5: routes[0].upstream: has more than 64 upstreams: write fewer, or one that balances itself"},
	{"one upstream to balance", "http://orders:9000", "http://orders:9000\n    balance: {sticky: true}", "11:23: routes[0].balance.sticky: is for a list of upstreams: write upstream: [http://one:9000, http://two:9000], or leave it out"},
	{"one upstream to check", "http://orders:9000", "http://orders:9000\n    balance: {health_path: /healthz}", "11:28: routes[0].balance.health_path: is for a list of upstreams: write upstream: [http://one:9000, http://two:9000], or leave it out"},
	{"a check of nothing", "http://orders:9000", "[http://a:1, http://b:1]\n    balance: {health_interval: 1s}", "11:32: routes[0].balance.health_interval: has nothing to ask for: write health_path, too, or leave it out"},
	{"a check of no path", "http://orders:9000", "[http://a:1, http://b:1]\n    balance: {health_path: healthz}", `11:28: routes[0].balance.health_path: "healthz" does not begin with a slash: write one in front`},
	{"sticky without a session", "http://orders:9000", "[http://a:1, http://b:1]\n    access: public\n    balance: {sticky: true}", "12:23: routes[0].balance.sticky: goes by the session, and access public asks for none: write access: optional, or leave it out"},
	{"TLS to nobody", "http://orders:9000", "http://orders:9000\n    upstream_tls: {server_name: orders.internal}", "11:5: routes[0].upstream_tls: is for https upstreams: write upstream: https://…, or leave it out"},
	{"a certificate without a key", "http://orders:9000", "https://orders\n    upstream_tls: {cert_file: key}", "11:31: routes[0].upstream_tls.cert_file: has no key: write upstream_tls.key_file, too, or neither"},
	{"a key without a certificate", "http://orders:9000", "https://orders\n    upstream_tls: {key_file: key}", "11:30: routes[0].upstream_tls.key_file: has no certificate: write upstream_tls.cert_file, too, or neither"},
	{"a certificate that is none", "http://orders:9000", "https://orders\n    upstream_tls: {cert_file: key, key_file: key}", "11:31: routes[0].upstream_tls.cert_file: is no pair with key_file (tls: failed to find any PEM data in certificate input): write a certificate in PEM and its own private key"},
	{"roots that are none", "http://orders:9000", "https://orders\n    upstream_tls: {ca_file: key}", "11:29: routes[0].upstream_tls.ca_file: holds no certificate: write the path of a file with roots in PEM"},
	{"a server's name with a port", "http://orders:9000", "https://orders\n    upstream_tls: {server_name: \"orders:443\"}", `11:33: routes[0].upstream_tls.server_name: "orders:443" is no name of a server: write one such as orders.internal, without a port`},

	{"a Redis without a host", "  keys", "  store: redis:///0\n  keys", "7:10: session.store: is no URL of a Redis: write one such as rediss://redis:6379/0"},
	{"forward-auth for nobody", "session:\n", "forward_auth: {listen: \":4181\"}\nsession:\n", "6:24: forward_auth.listen: believes trusted proxies only, and there are none: write the ingress's network into trusted_proxies"},
}

func TestEachMistakeGivesOneLineWithItsPosition(t *testing.T) {
	t.Parallel()
	for _, row := range mistakes {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			if !strings.Contains(smallest, row.old) {
				t.Fatalf("the file has no %q", row.old)
			}
			if got := complaints(t, strings.Replace(smallest, row.old, row.new, 1)); got != row.want {
				t.Errorf("got\n%s\nwant\n%s", got, row.want)
			}
		})
	}
}

// complaints loads a text that must be wrong, and returns the lines without the file's name.
func complaints(t *testing.T, text string, more ...string) string {
	t.Helper()
	path := write(t, text)
	_, _, err := config.Load(path, environ(more...))
	var problems config.Problems
	if !errors.As(err, &problems) || len(problems) == 0 {
		t.Fatalf("the error is %v, want Problems", err)
	}
	return strings.ReplaceAll(strings.ReplaceAll(err.Error(), path+":", ""), filepath.Dir(path), "DIR")
}

// The parser's time grows with the square of the depth, and aliases of aliases grow without
// end: both are refused before they cost anything.
func TestNoFileIsTooDeepOrTooLarge(t *testing.T) {
	t.Parallel()
	var aliases strings.Builder
	aliases.WriteString("a0: &a0 [x, x]\n")
	for i := range 30 {
		fmt.Fprintf(&aliases, "a%d: &a%d [*a%d, *a%d]\n", i+1, i+1, i, i)
	}
	for name, text := range map[string]string{
		"brackets":      "a: " + strings.Repeat("[", 100_000),
		"closed":        "a: " + strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000),
		"dashes":        strings.Repeat("- ", 100_000) + "a",
		"aliases":       aliases.String(),
		"a long string": "a: " + strings.Repeat("x", 2<<20),
	} {
		start := time.Now()
		got := complaints(t, text)
		if !strings.Contains(got, "more than") && !strings.Contains(got, "more levels than") {
			t.Errorf("%s: %.200s", name, got)
		}
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("%s: took %v", name, took)
		}
	}
}

func TestBrowsersRefuseAPrefixedCookieOverHTTP(t *testing.T) {
	t.Parallel()
	local := strings.Replace(smallest, "https://app.example.com", "http://localhost:8080", 1)
	got := complaints(t, strings.Replace(local, "session:\n", "session:\n  cookie: {name: __Host-sid}\n", 1))
	if want := "7:18: session.cookie.name: begins like a cookie that browsers take under https only: leave the prefix out under http"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestAFileThatIsNotThereIsOneProblem(t *testing.T) {
	t.Parallel()
	_, _, err := config.Load(filepath.Join(t.TempDir(), "config.yaml"), nil)
	if err == nil || !strings.HasSuffix(err.Error(), "config.yaml:1:1: the file cannot be read (no such file or directory): create it, or name another one with --config") {
		t.Errorf("the error is %v", err)
	}
}

func TestAnEmptyFileSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "# nothing\n", "---\n", "null\n"} {
		got := complaints(t, text)
		for _, name := range []string{"public_url", "provider.issuer", "provider.client_id", "provider.client_secret", "session.keys", "routes"} {
			if !strings.Contains(got, "1:1: "+name+": is missing") {
				t.Errorf("%q: no line for %s in\n%s", text, name, got)
			}
		}
		if n := strings.Count(got, "\n") + 1; n != 6 {
			t.Errorf("%q: %d lines:\n%s", text, n, got)
		}
	}
	for _, text := range []string{"- a\n", "just text\n"} {
		if got := complaints(t, text); strings.Contains(got, "\n") || !strings.HasPrefix(got, "1:1: the file is ") {
			t.Errorf("%q: %s", text, got)
		}
	}
}

func TestAllMistakesOfAFileComeAtOnce(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/mistakes.yaml")
	if err != nil {
		t.Fatal(err)
	}
	got := complaints(t, string(text), "CLOAKROOM_SESION_IDLE_TIMEOUT=1h", "CLOAKROOM_LOG_LEVEL=loud") + "\n"
	if *update {
		if err := os.WriteFile("testdata/mistakes.golden", []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/mistakes.golden")
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if n := strings.Count(got, "\n"); n < 30 {
		t.Errorf("%d lines, want 30 or more", n)
	}
}
