// This deployment: where traffic comes in, where it may go, and which goes where. The one file an operator edits.
// `npm start` runs it with demo endpoints, `npx fourseven check` judges it, `npx wrangler deploy` ships its edge part.

import { defineConfig } from './config/config.ts'

export default defineConfig({
  // Doors. `edge` is the Worker: HTTP, where rules see host, path, headers and cookies.
  // `tcp` and `tls` are the relay: bytes, where rules see addresses, and the server name that a TLS client asks for.
  listeners: {
    web: {
      kind: 'edge',
      // For answers of our own that say what went wrong. What an endpoint answers is passed on as it is.
      errorPages: {
        '404': { body: '<!doctype html><title>Not here</title><p>Nothing is served here. Request {request.id}.\n' },
      },
    },
    echo: { kind: 'tcp', address: '127.0.0.1:7007' },
    who: { kind: 'tcp', address: '127.0.0.1:7008' },
    secure: { kind: 'tls', address: '127.0.0.1:7443' },
  },

  // Groups of endpoints that can stand in for each other. `${NAME:-default}` is filled in where the plane runs: from
  // wrangler.toml (or .dev.vars) at the edge, from the environment in the relay. The defaults are the demo endpoints.
  pools: {
    stable: {
      endpoints: ['${APP_STABLE_A:-http://127.0.0.1:9101}', '${APP_STABLE_B:-http://127.0.0.1:9102}'],
    },
    canary: { endpoints: ['${APP_CANARY:-http://127.0.0.1:9103}'] },
    api: { endpoints: ['${API:-http://127.0.0.1:9104}'] },
    'api-next': { endpoints: ['${API_NEXT:-http://127.0.0.1:9106}'] },
    echo: { endpoints: ['${ECHO:-tcp://127.0.0.1:9105}'] },
    // Told by a PROXY header, version 2, who the client is: over TCP it would see the relay only.
    who: { endpoints: ['${WHO:-tcp://127.0.0.1:9108}'], sendProxy: 2 },
    secure: { endpoints: ['${SECURE:-tcp://127.0.0.1:9107}'] },
  },

  // The most specific hostname wins, then the most specific path, then method and the other conditions; the order in
  // this file only breaks ties. `npx fourseven explain URL` says which rule won and why.
  routes: [
    {
      name: 'app',
      hostnames: ['app.example.com', 'app.localhost'],
      rules: [
        {
          // `/api` means the path elements `/api` and all below it, never `/apis`.
          name: 'api',
          match: { path: '/api' },
          pool: 'api',
          filters: {
            rewrite: { prefix: '/v1' },
            requestHeaders: { set: { 'x-rule': '{route}/{rule}' } },
          },
        },
        {
          // More conditions on the same path win over fewer: reading takes the rule above, writing this one. What may
          // have been done once is not tried again.
          name: 'api-writes',
          match: { path: '/api', method: ['POST', 'PUT', 'PATCH', 'DELETE'] },
          pool: 'api',
          filters: {
            rewrite: { prefix: '/v1' },
            requestHeaders: { set: { 'x-rule': '{route}/{rule}' } },
          },
          retry: false,
        },
        {
          name: 'moved',
          match: { path: '/docs' },
          redirect: { prefix: '/guide', status: 301 },
        },
        {
          name: 'health',
          match: { path: { exact: '/healthz' }, method: 'GET' },
          reply: { status: 200, body: 'ok\n', headers: { 'cache-control': 'no-store' } },
        },
        {
          // A canary: a tenth of all users, and each keeps what they got by the cookie `fs_id`. To see it yourself send
          // the cookie `canary=always` or the header `x-canary: always` (or `never`).
          name: 'all',
          variants: [
            { name: 'stable', weight: 90, pool: 'stable' },
            { name: 'canary', weight: 10, pool: 'canary' },
          ],
          split: { force: { header: 'x-canary', cookie: 'canary', to: 'canary' }, expose: true },
          filters: {
            requestHeaders: { set: { 'x-rule': '{route}/{rule}', 'x-variant': '{variant}' } },
            responseHeaders: { set: { 'x-served-by': 'fourseven' }, remove: ['x-powered-by'] },
          },
          // An endpoint that refuses the connection is not the user's trouble: the other one is asked.
          retry: { attempts: 2 },
        },
      ],
    },
    {
      // A route with one rule needs no `rules`.
      name: 'api-host',
      hostnames: ['api.example.com', 'api.localhost'],
      pool: 'api',
      // Browsers let pages of the app, which has another host, ask the API and send it JSON.
      cors: { origins: ['https://app.example.com', 'http://app.localhost:8787'], headers: ['content-type'] },
      // The next API gets a copy of every request, so that it meets real traffic; its answers are dropped.
      mirrors: [{ pool: 'api-next' }],
    },
    {
      // TCP: no path, host or header here, and the compiler says so. The relay carries the bytes as they are.
      name: 'echo',
      listener: 'echo',
      pool: 'echo',
    },
    { name: 'who', listener: 'who', pool: 'who' },
    {
      // TLS by the server name that the client asks for. Nobody opens it on the way: the certificate that the client sees
      // is the endpoint's own. Whoever asks for another name is told that there is none.
      name: 'secure',
      listener: 'secure',
      rules: [{ match: { sni: 'secure.localhost' }, pool: 'secure' }],
    },
  ],

  // What is promised. `npx fourseven check` proves each line with the decision that the planes make, before a deploy too.
  expect: [
    { request: 'https://app.example.com/api/orders', gets: { rule: 'api', pool: 'api', path: '/v1/orders' } },
    { request: { method: 'POST', url: 'https://app.example.com/api/orders' }, gets: { rule: 'api-writes' } },
    { request: 'https://app.example.com/docs/a', gets: { status: 301, location: 'https://app.example.com/guide/a' } },
    { request: 'https://app.example.com/healthz', gets: { status: 200, body: 'ok\n' } },
    { request: 'https://app.example.com/', gets: { rule: 'all', variant: ['stable', 'canary'] } },
    {
      request: { url: 'https://app.example.com/', cookies: { canary: 'always' } },
      gets: { pool: 'canary', requestHeaders: { 'x-variant': 'canary' } },
    },
    { request: 'https://api.example.com/orders', gets: { route: 'api-host', pool: 'api' } },
    { request: 'https://elsewhere.example.com/', gets: { status: 404 } },
    { flow: { listener: 'echo' }, gets: { pool: 'echo' } },
    { flow: { listener: 'who' }, gets: { pool: 'who' } },
    { flow: { listener: 'secure', sni: 'secure.localhost' }, gets: { pool: 'secure' } },
    { flow: { listener: 'secure', sni: 'other.localhost' }, gets: { reason: 'destination_not_found' } },
  ],
})
