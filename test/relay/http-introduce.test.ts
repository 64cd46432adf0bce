// `sendProxy` at the http door: endpoints learn who the client is from the head of their connection, and no connection serves
// two clients.

import http from 'node:http'
import http2 from 'node:http2'
import { connect, createServer, type Socket } from 'node:net'
import { describe, expect, it } from 'vitest'
import type { HttpListenerInput } from '../../shared/config/config-listener.ts'
import type { PoolInput } from '../../shared/config/config-pool.ts'
import { type ProxyHeader, readProxyHeader } from '../../shared/wire/proxy-header.ts'
import { findTlv, tlvTypes } from '../../shared/wire/tlv.ts'
import { authority } from '../support/certificates.ts'
import { needs } from '../support/needs.ts'
import { freePort, haproxy, nginx } from '../support/servers.ts'
import { answerOf, answerTo, httpLab, onEnd, opened, session, until } from './http-lab.ts'

const clients = ['127.0.0.1', '127.0.0.2', '127.0.0.3']

for (const version of [1, 2] as const) {
  needs('haproxy')(`HAProxy reads the client's address from version ${version}, each request its own`, async () => {
    const at = await freePort()
    const answer = 'http-request return content-type text/plain lf-string "%[src] %[src_port]"'
    await haproxy(at, `frontend f\n  mode http\n  bind 127.0.0.1:${at} accept-proxy\n  ${answer}`)
    await seesEachClient(await door([`http://127.0.0.1:${at}`], { sendProxy: version }))
  })

  needs('nginx')(`nginx reads the client's address from version ${version}, each request its own`, async () => {
    const at = await freePort()
    const answer = 'return 200 "$proxy_protocol_addr $proxy_protocol_port";'
    await nginx(at, 'http', `server { listen 127.0.0.1:${at} proxy_protocol; ${answer} }`)
    await seesEachClient(await door([`http://127.0.0.1:${at}`], { sendProxy: version }))
  })
}

needs('haproxy')('HAProxy over HTTP/2 in the clear and a probe with a header of its own', async () => {
  const at = await freePort()
  const answer = 'http-request return content-type text/plain lf-string "%[src] %[src_port]"'
  await haproxy(at, `frontend f\n  mode http\n  bind 127.0.0.1:${at} accept-proxy proto h2\n  ${answer}`)
  const probe = { kind: 'http', path: '/', startDown: true, interval: '100ms', rise: 1 } as const
  const opened = await door([`h2c://127.0.0.1:${at}`], { sendProxy: 2, probe, panicPercent: 0 })
  const { plane } = opened.relay
  await until(() => plane.observed.flags[plane.table.pools[0]!.endpoints[0]!.slot] === 0)
  await seesEachClient(opened)
})

describe('what is told', () => {
  it('is the client behind a proxy that is trusted, whose one connection serves many', async () => {
    const { address, told } = await listening()
    const { port } = await door([address], { sendProxy: 2 }, { clientAddress: { trustedProxies: ['127.0.0.1'] } })
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
    onEnd(() => agent.destroy())
    for (const client of ['192.0.2.1', '2001:db8::7', '192.0.2.1', 'unknown']) {
      await asked(port, agent, { headers: { 'x-forwarded-for': client } })
    }
    const named = told.map(({ says }) => (says.of === 'inet' ? [says.source.address.text, says.source.port] : says.of))
    // The first one's connection was kept for it.
    expect(named).toEqual([['192.0.2.1', 0], ['2001:db8::7', 0], 'unknown'])
  })

  it('is not what a client that nobody trusts says', async () => {
    const { address, told } = await listening()
    const { port } = await door([address], { sendProxy: 2 })
    await asked(port, undefined, { headers: { 'x-forwarded-for': '192.0.2.1' } })
    expect(told[0]!.says).toMatchObject({ of: 'inet', source: { address: { text: '127.0.0.1' } } })
  })

  it('has the values that the config names, and an id for each connection', async () => {
    const { address, told } = await listening()
    const pair = authority().sign('app.test')
    const tlvs = { authority: true, alpn: true, ssl: true, uniqueId: true, crc32c: true, custom: { E1: '{route}' } }
    const { port } = await door([address], { sendProxy: { version: 2, tlvs } }, { certificates: [pair] })
    const options = { rejectUnauthorized: false, servername: 'app.test' }
    const one = session(port, options, 'https')
    const two = session(port, options, 'https')
    const path = { ':path': '/', ':authority': 'app.test' }
    for (const each of [one, one, two]) expect((await answerOf(each.request(path))).status).toBe(200)
    expect(told).toHaveLength(2)
    const texts = told.map(({ tlvs }) =>
      [tlvTypes.authority, tlvTypes.alpn, 0xe1].map(type => Buffer.from(findTlv(tlvs, type)!).toString()),
    )
    expect(texts).toEqual(new Array(2).fill(['app.test', 'h2', 'app']))
    const ids = told.map(({ tlvs }) => Buffer.from(findTlv(tlvs, tlvTypes.uniqueId)!).toString())
    expect(new Set(ids).size).toBe(2)
    expect(findTlv(told[0]!.tlvs, tlvTypes.ssl)![0]! & 1).toBe(1)
  })

  it('goes ahead of a WebSocket too', async () => {
    const { address, told } = await listening()
    const { port } = await door([address], { sendProxy: 2 })
    const headers = { connection: 'upgrade', upgrade: 'websocket', 'sec-websocket-version': '13' }
    const key = { 'sec-websocket-key': Buffer.alloc(16).toString('base64') }
    await asked(port, undefined, { headers: { ...headers, ...key } })
    expect(told).toHaveLength(1)
  })
})

it('a client whose connection stays needs one, and another client none of it', async () => {
  const { address, told, sockets } = await listening()
  const { port } = await door([address], { sendProxy: 2 })
  const agents = clients.map(localAddress => new http.Agent({ keepAlive: true, maxSockets: 1, localAddress }))
  onEnd(() => {
    for (const agent of agents) agent.destroy()
  })
  for (let round = 0; round < 10; round++) {
    await Promise.all(agents.map(agent => asked(port, agent)))
  }
  expect(sockets).toHaveLength(clients.length)
  const named = told.map(({ says }) => (says.of === 'inet' ? says.source.address.text : says.of))
  expect(named.sort()).toEqual(clients)
})

it('no more than a thousand clients have connections that wait for their next request', async () => {
  const { address, sockets } = await listening()
  const { port } = await door([address], { sendProxy: 2 }, { clientAddress: { trustedProxies: ['127.0.0.1'] } })
  const agent = new http.Agent({ keepAlive: true, maxSockets: 20 })
  onEnd(() => agent.destroy())
  const all = Array.from({ length: 1_200 }, (_, at) => `10.0.${at >> 8}.${at & 255}`)
  for (let from = 0; from < all.length; from += 20) {
    const some = all.slice(from, from + 20)
    await Promise.all(some.map(client => asked(port, agent, { headers: { 'x-forwarded-for': client } })))
  }
  expect(sockets).toHaveLength(1_200)
  await until(() => sockets.filter(socket => !socket.destroyed).length <= 1_024)
})

/** Clients from several addresses, in turn and at once, over both protocols: each reads its own address and port. */
async function seesEachClient({ port }: { readonly port: number }): Promise<void> {
  const one = async (localAddress: string) => {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1, localAddress })
    onEnd(() => agent.destroy())
    for (let round = 0; round < 5; round++) {
      const request = http.get({ host: '127.0.0.1', port, agent })
      const { body } = await answerTo(request)
      expect(body).toBe(`${localAddress} ${request.socket!.localPort}`)
    }
  }
  const two = async (localAddress: string) => {
    const createConnection = () => connect({ host: '127.0.0.1', port, localAddress })
    const client = http2.connect(`http://127.0.0.1:${port}`, { createConnection })
    onEnd(() => client.destroy())
    const answers = await Promise.all(Array.from({ length: 5 }, () => answerOf(client.request({ ':path': '/' }))))
    const { localPort } = client.socket
    expect(answers.map(({ body }) => body)).toEqual(new Array(5).fill(`${localAddress} ${localPort}`))
  }
  await Promise.all([...clients.map(one), ...clients.map(two)])
}

function door(
  endpoints: readonly string[],
  pool: Omit<PoolInput, 'endpoints'>,
  listener: Partial<HttpListenerInput> = {},
) {
  return httpLab([], {
    listeners: { web: { kind: 'http', address: '127.0.0.1:0', ...listener } },
    pools: { app: { ...pool, endpoints } },
  })
}

/** An endpoint that reads headers of version 2, and answers each request with nothing. */
async function listening() {
  const told: ProxyHeader[] = []
  const sockets: Socket[] = []
  const inner = http.createServer({ keepAliveTimeout: 60_000 }, (_, response) => response.end())
  const server = createServer(socket => {
    sockets.push(socket)
    socket.once('data', bytes => {
      const read = readProxyHeader(bytes)
      if (typeof read !== 'object' || !('header' in read)) throw new Error(`no header: ${JSON.stringify(read)}`)
      told.push(read.header)
      socket.pause()
      if (bytes.length > read.length) socket.unshift(bytes.subarray(read.length))
      inner.emit('connection', socket)
      socket.resume()
    })
  })
  return { address: `http://127.0.0.1:${await opened(server)}`, told, sockets }
}

function asked(port: number, agent: http.Agent | undefined, options: http.RequestOptions = {}) {
  return answerTo(http.get({ host: '127.0.0.1', port, ...options, agent: agent ?? false }))
}
