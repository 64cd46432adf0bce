// The contract table's requests through the relay's http door, over HTTP/1.1 and over HTTP/2, with real endpoints. The
// client's address comes in a PROXY header, as a balancer in front would say it.

import { once } from 'node:events'
import http from 'node:http'
import http2 from 'node:http2'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { RelayRequestRecord } from '../../relay/http/plane.ts'
import { startRelay } from '../../relay/relay.ts'
import type { Relay } from '../../relay/relay-api.ts'
import type { ConfigInput } from '../../shared/config/config.ts'
import type { EdgeListenerInput, HttpListenerInput } from '../../shared/config/config-listener.ts'
import { parse } from '../../shared/config/parse.ts'
import { listenerFor } from '../../shared/table/hostname.ts'
import { type Case, type Suite, suites } from './cases.ts'

interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: string
}

const ways = { 'HTTP/1.1': askHttp1, 'HTTP/2': askHttp2 } as const

for (const suite of suites.filter(isHttp)) {
  for (const [protocol, askBy] of Object.entries(ways)) {
    describe(`relay over ${protocol}: ${suite.name}`, () => {
      const closing: (() => unknown)[] = []
      const records: RelayRequestRecord[] = []
      let relay: Relay

      beforeAll(async () => {
        const variables = { ONE: await teller('one'), TWO: await teller('two'), THREE: await teller('three') }
        const { config } = parse(atRelay(suite.config), { variables })
        const onRequest = (record: RelayRequestRecord) => records.push(record)
        relay = await startRelay({ config, variables, onRecord: () => {}, onRequest })
        closing.push(() => relay.stop({ drainMs: 0 }))
      })
      afterAll(() => Promise.all(closing.map(close => close())))

      let asked = 0
      for (const one of suite.cases) {
        if (one.coreOnly === true) continue
        it(one.it, async () => {
          const [method, target] = one.ask.split(' ') as [string, string]
          const [, authority, path] = /^http:\/\/([^/]+)(.*)$/.exec(target)!
          const host = /^[\x20-\x7e]+$/.test(authority!) ? authority! : new URL(target).host
          const port = relay.addresses.get(listenerOf(suite.config, host))!.port
          const answer = await askBy(port, one.from ?? '127.0.0.1', method, host, path!, one.with ?? {})
          asked += 1
          for (let waited = 0; records.length < asked && waited < 5_000; waited += 5) await sleep(5)
          expect(records.length).toBe(asked)
          check(one, answer, records.at(-1)!)
        })
      }

      /** Says what came, and a header of its own that filters may remove. */
      async function teller(name: string): Promise<string> {
        const server = http.createServer((request, response) => {
          request.resume()
          const seen = { endpoint: name, method: request.method, url: request.url, headers: request.headers }
          response.setHeader('x-internal', 'yes')
          response.setHeader('access-control-allow-origin', 'https://endpoint.test')
          response.setHeader('x-fourseven-instances', String(request.headers['x-fourseven-instances']))
          response.setHeader('vary', 'Accept-Encoding')
          response.end(JSON.stringify(seen))
        })
        server.listen(0, '127.0.0.1')
        await once(server, 'listening')
        closing.push(() => {
          server.close()
          server.closeAllConnections()
        })
        return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
      }
    })
  }
}

function isHttp(suite: Suite): boolean {
  return Object.values(suite.config.listeners).some(listener => listener.kind === 'edge')
}

/** The same listeners at the relay, without what only the edge knows: subrequests and countries. */
function atRelay(config: ConfigInput): ConfigInput {
  const listeners = Object.entries(config.listeners).map(([name, listener]) => {
    const { subrequests: _, ...rest } = listener as EdgeListenerInput
    const place = { address: '127.0.0.1:0', proxyProtocol: [{ from: ['127.0.0.0/8'], mode: 'require' }] } as const
    return [name, { ...rest, ...place, kind: 'http' } as HttpListenerInput]
  })
  const routes = config.routes.map(route => {
    const rules = 'rules' in route ? route.rules : undefined
    if (rules === undefined) return route
    return { ...route, rules: rules.filter(rule => !JSON.stringify(rule.match ?? {}).includes('"country"')) }
  })
  return { ...config, listeners: Object.fromEntries(listeners), routes } as ConfigInput
}

/** At the relay each listener has a place of its own: whoever sends there is asked for. */
function listenerOf(config: ConfigInput, host: string): string {
  const listeners = Object.entries(config.listeners).map(([name, listener]) => ({
    name,
    hostnames: (listener as EdgeListenerInput).hostnames ?? [],
  }))
  const name = host.replace(/:\d+$/, '').replace(/\.$/, '').toLowerCase()
  return (listenerFor(listeners, name) ?? listeners[0]!).name
}

/** A connection that begins with what a balancer says of its client. */
function connectFrom(port: number, from: string): Socket {
  const socket = connect({ host: '127.0.0.1', port })
  const family = from.includes(':') ? 'TCP6' : 'TCP4'
  const to = family === 'TCP6' ? '::1' : '127.0.0.1'
  socket.write(/^[0-9a-f:.]+$/.test(from) ? `PROXY ${family} ${from} ${to} 40000 80\r\n` : 'PROXY UNKNOWN\r\n')
  return socket
}

async function askHttp1(
  port: number,
  from: string,
  method: string,
  host: string,
  path: string,
  headers: Readonly<Record<string, string>>,
): Promise<Answer> {
  const createConnection = () => connectFrom(port, from)
  const request = http.request({ createConnection, path, method, headers: { host, ...headers } })
  request.end()
  const [response] = (await once(request, 'response')) as [http.IncomingMessage]
  let body = ''
  for await (const chunk of response) body += chunk
  request.destroy()
  return { status: response.statusCode!, headers: response.headers, body }
}

async function askHttp2(
  port: number,
  from: string,
  method: string,
  host: string,
  path: string,
  headers: Readonly<Record<string, string>>,
): Promise<Answer> {
  const session = http2.connect('http://relay.test', { createConnection: () => connectFrom(port, from) })
  const lower = Object.fromEntries(
    Object.entries(headers).filter(([name]) => !connectionFields.includes(name.toLowerCase())),
  )
  const stream = session.request(
    { ':method': method, ':path': path, ':authority': host, ...lower },
    { endStream: true },
  )
  const [answered] = (await once(stream, 'response')) as [http2.IncomingHttpHeaders]
  let body = ''
  for await (const chunk of stream) body += chunk
  session.close()
  return { status: Number(answered[':status']), headers: answered, body }
}

function check({ get }: Case, answer: Answer, record: RelayRequestRecord): void {
  expect(record.rule === null ? null : `${record.route}/${record.rule}`).toBe(get.rule)
  if (get.variant !== undefined) expect(record.variant).toBe(get.variant)
  expect(record.reason).toBe(get.reason ?? (get.rule === null ? 'destination_not_found' : null))
  const isForwarded = get.rule !== null && get.status === undefined
  expect(answer.status).toBe(get.status ?? (isForwarded ? 200 : 404))
  if (isForwarded && record.method !== 'HEAD') {
    const seen = JSON.parse(answer.body)
    if (get.pool !== undefined) expect(seen.endpoint).toBe(get.pool)
    if (get.sees?.path !== undefined) expect(seen.url).toBe(get.sees.path)
    for (const [name, value] of Object.entries(get.sees?.headers ?? {})) {
      expect(seen.headers[name] ?? null, name).toBe(value)
    }
  }
  if (get.location !== undefined) expect(answer.headers['location']).toBe(get.location)
  if (get.body !== undefined) expect(answer.body).toBe(get.body)
  const cookies = (answer.headers['set-cookie'] ?? []) as string[]
  if (get.cookies !== undefined) expect(cookies.map(line => line.split('=')[0])).toEqual(get.cookies)
  for (const [name, value] of Object.entries(get.answer ?? {})) expect(answer.headers[name] ?? null, name).toBe(value)
}

/** No client of HTTP/2 may send these (RFC 9113 section 8.2.2). */
const connectionFields = ['connection', 'proxy-connection', 'keep-alive', 'transfer-encoding', 'upgrade', 'te']
