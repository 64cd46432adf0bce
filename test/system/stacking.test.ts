// The two layers stacked: the relay's connections in front of an HTTP tier. In each the endpoint reads the true address of
// the client, which is 127.0.0.9 here, though neither it nor the HTTP tier is connected from there.

import { once } from 'node:events'
import { createServer, get, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, onTestFinished } from 'vitest'
import type { ConfigInput } from '../../shared/config/config.ts'
import { needs } from '../support/needs.ts'
import { freePort, haproxy, nginx } from '../support/servers.ts'
import { relayProgram } from './program.ts'

const CLIENT = '127.0.0.9'

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
  const headers = { 'x-forwarded-for': '203.0.113.66', 'x-real-ip': '203.0.113.66', forwarded: 'for=203.0.113.66' }
  const request = get({ host: '127.0.0.1', port, path: '/', localAddress: CLIENT, agent: false, headers })
  const [answer] = (await once(request, 'response')) as [AsyncIterable<Buffer>]
  let body = ''
  for await (const chunk of answer) body += chunk
  return JSON.parse(body)
}
