// Other Workers as endpoints, through workerd.

import { beforeAll, expect, it } from 'vitest'
import { endpoint, type Lab, lab, sayWhatCame } from './lab.ts'

let edge: Lab

const WORKER = `export default {
  async fetch(request) {
    const url = new URL(request.url)
    if (url.pathname === '/away') return Response.redirect('http://elsewhere.test/', 302)
    if (url.pathname === '/throw') throw new TypeError('the bound Worker is broken')
    if (url.pathname.startsWith('/hang')) return new Promise(() => setTimeout(() => {}, 60_000))
    if (request.headers.get('upgrade') === 'websocket') {
      const [client, server] = Object.values(new WebSocketPair())
      server.accept()
      server.addEventListener('message', ({ data }) => server.send('echo ' + data))
      return new Response(null, { status: 101, webSocket: client })
    }
    return Response.json({
      endpoint: 'bound',
      url: request.url,
      method: request.method,
      headers: Object.fromEntries(request.headers),
      body: await request.text(),
    })
  },
}`

beforeAll(async () => {
  const app = await endpoint(sayWhatCame('app'))
  edge = await lab(
    {
      listeners: { web: { kind: 'edge' } },
      pools: {
        bound: { endpoints: ['binding:${NAME}'] },
        missing: { endpoints: ['binding:MISSING'] },
        text: { endpoints: ['binding:NAME'] },
        either: { endpoints: [{ address: 'binding:MISSING' }, { address: app.address, priority: 1 }] },
        app: { endpoints: [app.address] },
      },
      routes: [
        {
          name: 'app',
          rules: [
            { name: 'bound', pool: 'bound' },
            { name: 'hang', match: { path: '/hang' }, pool: 'bound', timeouts: { try: '300ms' } },
            { name: 'missing', match: { path: '/missing' }, pool: 'missing' },
            { name: 'text', match: { path: '/text' }, pool: 'text' },
            { name: 'either', match: { path: '/either' }, pool: 'either' },
            { name: 'app', match: { path: '/app' }, pool: 'app' },
            { name: 'mirrored', match: { path: '/mirrored' }, pool: 'bound', mirrors: [{ pool: 'missing' }] },
          ],
        },
      ],
    },
    { NAME: 'APP' },
    { NAME: 'APP' },
    { services: { APP: WORKER } },
  )
})

it("a bound Worker sees the client's own host, path and query, and what the config adds", async () => {
  const { seen } = await edge.ask('/a/b?q=1', { method: 'POST', body: 'hello', host: 'Shop.test:8080' })
  expect(seen).toMatchObject({ endpoint: 'bound', url: 'http://shop.test:8080/a/b?q=1', method: 'POST', body: 'hello' })
  expect(seen.headers['x-forwarded-host']).toBe('shop.test:8080')
  expect(seen.headers['x-fourseven-route']).toBe('app')
  expect(await edge.recordOf('/a/b')).toMatchObject({ endpoint: 'binding:APP', status: 200 })
})

it('its redirects are passed on', async () => {
  const answer = await edge.ask('/away')
  expect([answer.status, answer.headers.location]).toEqual([302, 'http://elsewhere.test/'])
})

it('its WebSockets too', async () => {
  const { WebSocket } = await import('ws')
  const socket = new WebSocket(`ws://127.0.0.1:${edge.port}/socket`)
  const said = await new Promise(resolve => {
    socket.on('open', () => socket.send('hello'))
    socket.on('message', message => resolve(String(message)))
  })
  socket.close()
  expect(said).toBe('echo hello')
})

it('a bound Worker that throws is 502, not a bug of ours', async () => {
  const answer = await edge.ask('/throw')
  expect([answer.status, answer.headers['proxy-status']]).toEqual([502, 'fourseven; error=connection_terminated'])
  expect((await edge.recordOf('/throw')).attempts).toMatchObject([
    { endpoint: 'binding:APP', outcome: 'sent', says: 'the bound Worker is broken' },
  ])
})

it('a bound Worker that does not answer is 504 after the try timeout', async () => {
  expect((await edge.ask('/hang')).status).toBe(504)
})

it.each(['/missing', '/text'])('a name under which no Worker is bound is 500 for its own pool: %s', async path => {
  const answer = await edge.ask(path)
  expect(answer.status).toBe(500)
  expect(answer.headers['proxy-status']).toBe('fourseven; error=proxy_configuration_error')
  expect(await edge.recordOf(path)).toMatchObject({ reason: 'proxy_configuration_error' })
  expect((await edge.ask('/app')).seen.endpoint).toBe('app')
})

it('the other endpoints of its pool serve on', async () => {
  expect((await edge.ask('/either')).seen.endpoint).toBe('app')
})

it('a mirror that is not bound harms nobody', async () => {
  expect((await edge.ask('/mirrored')).seen.endpoint).toBe('bound')
})
