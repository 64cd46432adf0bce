// The two layers stacked: the relay's connections in front of an HTTP tier. In each the endpoint reads the true address of
// the client, which is 127.0.0.9 here, though neither it nor the HTTP tier is connected from there.

import { once } from 'node:events'
import { createServer, get, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { startEdge } from '../../cli/edge.ts'
import type { ConfigInput } from '../../shared/config/config.ts'
import { parse } from '../../shared/config/parse.ts'
import { needs } from '../support/needs.ts'
import { freePort, haproxy, nginx } from '../support/servers.ts'
import { isRequest, relayProgram } from './program.ts'

const CLIENT = '127.0.0.9'
const LIE = '203.0.113.66'

describe('tcp with PROXY v2 in front of an HTTP tier of others', () => {
  needs('haproxy')('HAProxy tells the endpoint who the client is', async () => {
    const [tier, endpoint] = [await freePort(), await seeing()]
    await haproxy(
      tier,
      `frontend f
  mode http
  bind 127.0.0.1:${tier} accept-proxy
  http-request set-header x-forwarded-for %[src]
  default_backend b
backend b
  mode http
  server s 127.0.0.1:${endpoint}`,
    )
    const door = await relayProgram(inFrontOf([tier]))
    expect(await seenThrough(door.port)).toMatchObject({ 'x-forwarded-for': CLIENT })
  })

  needs('nginx')('nginx tells the endpoint who the client is', async () => {
    const [tier, endpoint] = [await freePort(), await seeing()]
    await nginx(
      tier,
      'http',
      `server {
  listen 127.0.0.1:${tier} proxy_protocol;
  set_real_ip_from 127.0.0.1;
  real_ip_header proxy_protocol;
  location / { proxy_pass http://127.0.0.1:${endpoint}; proxy_set_header X-Forwarded-For $remote_addr; }
}`,
    )
    const door = await relayProgram(inFrontOf([tier]))
    expect(await seenThrough(door.port)).toMatchObject({ 'x-forwarded-for': CLIENT })
  })
})

describe('our own tiers', () => {
  test('tcp with PROXY v2 in front of several http doors: both serve, and both know the client', async () => {
    const endpoint = await seeing()
    const proxyProtocol = [{ from: ['127.0.0.0/8'], mode: 'require' as const }]
    const doors = [
      await relayProgram(doorTo(endpoint, { proxyProtocol })),
      await relayProgram(doorTo(endpoint, { proxyProtocol })),
    ]
    const front = await relayProgram(inFrontOf(doors.map(({ port }) => port)))
    for (let i = 0; i < 6; i++) {
      expect(await seenThrough(front.port)).toMatchObject({
        'x-forwarded-for': CLIENT,
        forwarded: expect.stringContaining(CLIENT),
      })
    }
    for (const door of doors) {
      const [record] = await door.until(line => line['clientAddress'] === CLIENT && isRequest(line))
      expect(record).toMatchObject({ listener: 'door', route: 'site', status: 200 })
    }
  })

  test('the http door in front of Workers that we run ourselves: they know the client from us alone', async () => {
    const endpoint = await seeing()
    const workers = [await worker(endpoint), await worker(endpoint)]
    const door = await relayProgram(doorTo(workers[0]!, {}, workers))
    for (let i = 0; i < 4; i++) {
      const seen = await seenThrough(door.port)
      expect(String(seen['x-forwarded-for']).split(', ')[0]).toBe(CLIENT)
      expect(JSON.stringify(seen)).not.toContain(LIE)
    }
  })
})

/** Connections to one of these ports, each with a PROXY header. */
function inFrontOf(ports: readonly number[]): ConfigInput {
  return {
    listeners: { door: { kind: 'tcp', address: '127.0.0.1:0' } },
    pools: {
      tier: {
        endpoints: ports.map(port => `tcp://127.0.0.1:${port}`),
        sendProxy: 2,
        // A port that takes the header answers nobody without one.
        probe: { kind: 'http', path: '/healthz', status: '200-499' },
      },
    },
    routes: [{ name: 'front', listener: 'door', pool: 'tier' }],
  }
}

function doorTo(port: number, listener: object = {}, ports: readonly number[] = [port]): ConfigInput {
  return {
    listeners: { door: { kind: 'http', address: '127.0.0.1:0', ...listener } },
    pools: { pool: { endpoints: ports.map(each => `http://127.0.0.1:${each}`) } },
    routes: [{ name: 'site', listener: 'door', pool: 'pool' }],
  }
}

/** The edge in workerd, with this endpoint behind it. It is reached by the door only. */
async function worker(port: number): Promise<number> {
  const { config } = parse({
    listeners: { edge: { kind: 'edge', clientAddress: { trustedProxies: ['127.0.0.0/8'] } } },
    pools: { pool: { endpoints: [`http://127.0.0.1:${port}`] } },
    routes: [{ name: 'site', pool: 'pool' }],
  })
  const edge = await startEdge({ config, host: '127.0.0.1', port: 0, variables: {}, onRecord: () => {} })
  onTestFinished(edge.stop)
  return edge.port
}

/** An endpoint that answers with the header it saw. */
async function seeing(): Promise<number> {
  const server = createServer((request, answer) => answer.end(JSON.stringify(request.headers)))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.close()
    server.closeAllConnections()
  })
  return (server.address() as AddressInfo).port
}

/** What the endpoint saw of a request of the client, who lies about its address. */
async function seenThrough(port: number): Promise<IncomingHttpHeaders> {
  const headers = { 'x-forwarded-for': LIE, 'cf-connecting-ip': LIE, forwarded: `for=${LIE}` }
  const request = get({ host: '127.0.0.1', port, path: '/', localAddress: CLIENT, agent: false, headers })
  const [answer] = (await once(request, 'response')) as [AsyncIterable<Buffer>]
  let body = ''
  for await (const chunk of answer) body += chunk
  return JSON.parse(body)
}
