// The hostile requests of the edge's tests as raw bytes through the http door. What becomes of each stands in
// docs/limits.md; after each one an honest request on a new connection is served, and nothing that was hidden arrives.

import { readFileSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { RelayRequestRecord } from '../../relay/http/plane.ts'
import { startRelay } from '../../relay/relay.ts'
import type { Relay } from '../../relay/relay-api.ts'
import { parse } from '../../shared/config/parse.ts'
import { asked } from '../workers/hostile-asking.ts'
import type { Shape } from '../workers/hostile-bytes.ts'
import { spelled } from '../workers/hostile-spelling.ts'
import { client } from './http-lab.ts'

type Fields = readonly (readonly [name: string, value: string])[]

const shapes = { ...spelled, ...asked }
const seen: { text: string; isCutOff: boolean; fields: Fields }[] = []
const records: RelayRequestRecord[] = []
const told: Record<string, Map<string, string[]>> = {}
let relay: Relay
let port: number
let honest = 0

const server = http.createServer({ maxHeaderSize: 4_000_000, keepAliveTimeout: 300_000 }, (request, response) => {
  const { rawHeaders, url, method } = request
  const fields = rawHeaders.flatMap((name, at) => (at % 2 ? [] : [[name.toLowerCase(), rawHeaders[at + 1]!] as const]))
  const shown = url!.length > 60 ? `${url!.slice(0, 10)}… (${url!.length})` : url!
  const one = { text: `${method} ${shown}`, isCutOff: true, fields }
  const chunks: Buffer[] = []
  seen.push(one)
  request.on('data', chunk => chunks.push(chunk))
  request.on('error', () => {})
  request.on('end', () => {
    one.isCutOff = false
    const body = Buffer.concat(chunks).toString('latin1')
    if (body !== '') one.text += ` ${JSON.stringify(body)}`
    response.end('ok')
  })
})
server.maxHeadersCount = 0

beforeAll(async () => {
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { config } = parse({
    listeners: { web: { kind: 'http', address: '127.0.0.1:0' } },
    pools: { app: { endpoints: [`http://127.0.0.1:${(server.address() as { port: number }).port}`], outlier: false } },
    routes: [
      {
        name: 'app',
        hostnames: ['app.test'],
        rules: [
          { name: 'all', pool: 'app', retry: false },
          { name: 'private', match: { path: '/private' }, reply: { status: 403 } },
        ],
      },
    ],
  })
  relay = await startRelay({
    config,
    variables: {},
    onRecord: () => {},
    onRequest: record => records.push(record),
  })
  port = relay.addresses.get('web')!.port
})
afterAll(async () => {
  await relay.stop({ drainMs: 0 })
  server.close()
  server.closeAllConnections()
})

describe('hostile bytes', () => {
  for (const [group, list] of Object.entries(shapes)) {
    it(group, async () => {
      const outcomes = new Map<string, string[]>()
      for (const shape of list) {
        const outcome = await send(shape)
        outcomes.set(outcome, [...(outcomes.get(outcome) ?? []), shape[0]])
      }
      told[group] = outcomes
    })
  }

  it('docs/limits.md tells what came of them', () => {
    const page = new URL('../../docs/limits.md', import.meta.url)
    const text = readFileSync(page, 'utf8')
    const section = /(?<=<!-- hostile shapes at http -->\n)[\s\S]*?(?=<!-- end of http -->)/
    if (process.env['WRITE_LIMITS'] === '1') writeFileSync(page, text.replace(section, tables))
    else expect(section.exec(text)?.[0], 'write it with WRITE_LIMITS=1').toBe(tables())
  })
})

it('whatever bytes come, the door answers or closes, and serves the next client', async () => {
  const piece = fc.constantFrom(
    'GET / HTTP/1.1\r\n',
    'POST /s HTTP/1.1\r\n',
    'Host: app.test\r\n',
    'Content-Length: 5\r\n',
    'Transfer-Encoding: chunked\r\n',
    '\r\n',
    '\n',
    ' x',
    '5\r\nhello\r\n',
    '0\r\n\r\n',
    'hello',
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    '\0\0\0\x04\0\0\0\0\0',
    '\xff\0',
  )
  await fc.assert(
    fc.asyncProperty(fc.array(piece, { minLength: 1, maxLength: 12 }), async pieces => {
      const socket = client(port)
      const closed = new Promise(resolve => socket.once('close', resolve))
      socket.resume()
      socket.end(Buffer.from(pieces.join(''), 'latin1'))
      await closed
      expect(await honestly()).toBe(200)
    }),
    { numRuns: 60 },
  )
})

/** Sends one shape, then an honest request, and says what came of it. */
async function send([name, bytes]: Shape): Promise<string> {
  const before = { seen: seen.length, records: records.length }
  const socket = client(port)
  let text = ''
  let isClosed = false
  socket.on('data', chunk => {
    text += chunk.toString('latin1')
  })
  socket.once('close', () => {
    isClosed = true
  })
  socket.write(Buffer.from(bytes, 'latin1'))
  const statuses = () => [...text.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status]) => status!)
  // Whatever is answered is recorded; silence is a wait for more bytes.
  for (let quiet = 0, count = -1; quiet < 4 && !isClosed; ) {
    await sleep(25)
    const now = statuses().length * 1_000 + records.length + seen.length
    quiet = now === count ? quiet + 1 : 0
    count = now
  }
  expect(await honestly(), `the honest request after ${name}`).toBe(200)
  const said = statuses().filter(status => status !== '100')
  const details = [...text.matchAll(/http_request_error: [^(]*\((.*)\)/g)].map(([, why]) => why)
  socket.destroy()
  const arrived = seen.slice(before.seen).filter(({ text: one }) => !one.startsWith('GET /honest/'))
  for (const one of arrived) expect(dirtOf(one.fields), `${name}: ${one.text}`).toEqual([])
  expect(arrived.filter(one => !one.isCutOff && /^\w+ \/evil/.test(one.text))).toEqual([])
  const whole = arrived.filter(one => !one.isCutOff).map(one => `\`${one.text.replaceAll('|', '\\|')}\``)
  const theirs = records.slice(before.records).filter(({ endpoint, status }) => endpoint !== null && status !== 200)
  if (theirs.length > 0) return `passed on, and Node as the endpoint answers ${theirs[0]!.status}`
  const answers = said
    .filter(status => status !== '200')
    .map((status, at) => `answered ${status}${details[at] === undefined ? '' : `: ${details[at]}`}`)
  const passed = whole.length === 0 ? [] : [`passed on as ${whole.join(', then ')}`]
  const outcome = [...passed, ...answers].join(', then ')
  if (outcome !== '') return outcome
  return isClosed ? 'closed without an answer' : 'waited for, until the time is up'
}

async function honestly(): Promise<number> {
  honest += 1
  const request = http.get({
    host: '127.0.0.1',
    port,
    path: `/honest/${honest}`,
    agent: false,
    headers: { host: 'app.test' },
  })
  return new Promise((resolve, reject) => {
    request.on('error', reject)
    request.on('response', response => response.resume().on('end', () => resolve(response.statusCode!)))
  })
}

/** Fields that must never arrive, and those of ours that are not as we write them. */
function dirtOf(fields: Fields): string[] {
  const said = new Map(fields)
  const isWebSocket = said.get('upgrade') === 'websocket'
  const isOurs = (name: string, value: string) =>
    (isWebSocket && (name === 'connection' || name === 'upgrade')) ||
    (name === 'te' && value === 'trailers') ||
    (name === 'connection' && value === 'TE')
  const foreign = fields.filter(
    ([name, value]) => /evil/i.test(name + value) || (hopByHop.has(name) && !isOurs(name, value)),
  )
  const ours: Fields = [
    ['x-forwarded-for', '127.0.0.1'],
    ['x-forwarded-proto', 'http'],
    ['x-forwarded-host', 'app.test'],
    ['x-forwarded-port', '80'],
    ['x-fourseven-route', 'app'],
    ['x-fourseven-variant', 'app'],
  ]
  const wrong = ours.filter(
    ([name, value]) => said.get(name) !== value || fields.filter(one => one[0] === name).length > 1,
  )
  return [...foreign, ...wrong.map(([name]) => [name, String(said.get(name))] as const)].map(
    ([name, value]) => `${name}: ${value.slice(0, 60)}`,
  )
}

/** For docs/limits.md: one table a group, one row an outcome. */
function tables(): string {
  return Object.entries(told)
    .map(([group, rows]) => {
      const lines = [...rows].map(
        ([outcome, names]) => `| ${outcome} | ${names.map(name => name.replaceAll('|', '\\|')).join('; ')} |`,
      )
      return `### ${group} at \`http\`\n\n| what becomes of it | what was sent |\n|---|---|\n${lines.join('\n')}\n\n`
    })
    .join('')
}

const hopByHop: ReadonlySet<string> = new Set([
  'connection',
  'proxy-connection',
  'keep-alive',
  'te',
  'trailer',
  'upgrade',
  'http2-settings',
  'expect',
  'proxy-authorization',
  'proxy-authenticate',
  'proxy-authentication-info',
])
