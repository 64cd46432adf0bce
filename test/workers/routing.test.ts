// Which endpoint a request reaches, and which requests are no requests.

import { once } from 'node:events'
import net from 'node:net'
import { beforeAll, describe, expect, it } from 'vitest'
import { endpoint, type Lab, lab, sayWhatCame } from './lab.ts'

let edge: Lab

beforeAll(async () => {
  const names = ['app', 'api', 'beta', 'member', 'home', 'admin', 'swiss'] as const
  const endpoints = await Promise.all(names.map(name => endpoint(sayWhatCame(name))))
  const pools = Object.fromEntries(names.map(name => [name, { endpoints: [`\${${name.toUpperCase()}}`] }]))
  edge = await lab(
    {
      listeners: { web: { kind: 'edge' } },
      pools,
      routes: [
        {
          name: 'app',
          hostnames: ['app.test'],
          rules: [
            { name: 'api', match: { path: '/api' }, pool: 'api', filters: { rewrite: { prefix: '/v1' } } },
            { name: 'beta', match: { header: { 'x-beta': 'yes' } }, pool: 'beta' },
            { name: 'member', match: { cookie: { plan: 'gold' } }, pool: 'member' },
            { name: 'admin', match: { path: '/admin', address: '10.0.0.0/8' }, pool: 'admin' },
            { name: 'search', match: { path: '/search', query: { kind: 'beta' } }, pool: 'beta' },
            { name: 'swiss', match: { path: '/here', country: 'CH' }, pool: 'swiss' },
            { name: 'all', pool: 'app' },
          ],
        },
        { name: 'home', hostnames: ['*.home.test'], pool: 'home' },
      ],
    },
    Object.fromEntries(names.map((name, index) => [name.toUpperCase(), endpoints[index]!.address])),
  )
})

describe('a request reaches the endpoint of the rule that fits it best', () => {
  const cases: readonly [
    what: string,
    path: string,
    asked: Parameters<Lab['ask']>[1],
    reaches: string,
    url?: string,
  ][] = [
    ['by host alone', '/', {}, 'app'],
    ['by a host in any case and with a trailing dot', '/', { host: 'APP.Test.' }, 'app'],
    ['by a wildcard host', '/x', { host: 'a.b.home.test' }, 'home'],
    ['by path, rewritten', '/api/users?id=1', {}, 'api', '/v1/users?id=1'],
    ['not by half a path element', '/apis', {}, 'app'],
    ['by header', '/', { headers: { 'x-beta': 'yes' } }, 'beta'],
    ['by cookie', '/', { headers: { cookie: 'a=1; plan=gold' } }, 'member'],
    ['by query', '/search?kind=beta', {}, 'beta', '/search?kind=beta'],
    ['by client address', '/admin', { headers: { 'cf-connecting-ip': '10.1.2.3' } }, 'admin'],
    ['not by an address outside', '/admin', { headers: { 'cf-connecting-ip': '11.1.2.3' } }, 'app'],
    ['not by an address the client claims', '/admin', { headers: { 'x-forwarded-for': '10.1.2.3' } }, 'app'],
    ['by an encoded path', '/%61pi/users', {}, 'api', '/v1/users'],
    ['by a path with dot segments', '/x/%2e%2e/api/users', {}, 'api', '/v1/users'],
  ]
  for (const [what, path, asked, reaches, url] of cases) {
    it(what, async () => {
      const answer = await edge.ask(path, asked)
      expect(answer.status).toBe(200)
      expect(answer.seen.endpoint).toBe(reaches)
      if (url !== undefined) expect(answer.seen.url).toBe(url)
    })
  }
})

it('a host that nobody routes is answered 404 with the reason', async () => {
  const answer = await edge.ask('/nowhere', { host: 'other.test' })
  expect(answer.status).toBe(404)
  expect(answer.headers['proxy-status']).toBe('fourseven; error=destination_not_found')
  expect(answer.headers['content-type']).toBe('text/plain; charset=utf-8')
  expect(answer.body.toString()).toBe('404 destination_not_found: No route matches the request.\n')
})

it('our own answer to HEAD has no body', async () => {
  const answer = await edge.ask('/nowhere', { host: 'other.test', method: 'HEAD' })
  expect(answer.status).toBe(404)
  expect(answer.headers['proxy-status']).toBe('fourseven; error=destination_not_found')
  expect(answer.body).toHaveLength(0)
})

describe('a host that is no host is answered 400', () => {
  for (const host of ['x/evil@y', 'app.test/../admin', 'user@app.test', 'app..test']) {
    it(host, async () => {
      const answer = await raw(edge.port, `GET /admin HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)
      expect(answer).toMatch(/^HTTP\/1\.1 400 /)
    })
  }

  it('and the record says why', async () => {
    await raw(edge.port, 'GET /evil-record HTTP/1.1\r\nHost: x/evil@y\r\nConnection: close\r\n\r\n')
    const record = await edge.recordOf('/evil@y/evil-record')
    expect(record).toMatchObject({ status: 400, reason: 'http_request_error', route: null, endpoint: null })
  })
})

async function raw(port: number, text: string): Promise<string> {
  const socket = net.connect(port, '127.0.0.1')
  let answer = ''
  socket.on('data', chunk => {
    answer += chunk
  })
  socket.write(text)
  await once(socket, 'close')
  return answer
}
