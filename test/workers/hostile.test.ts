// Hostile requests as raw bytes, through bare workerd and through Miniflare. After each one an honest request on a new
// connection is served, workerd still runs, and the endpoint has seen what the list says and nothing else.

import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import net, { type AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import type { ConfigInput } from '../../shared/config/config.ts'
import { bare } from './bare.ts'
import { asked, underMiniflare } from './hostile-asking.ts'
import type { Shape } from './hostile-bytes.ts'
import { spelled } from './hostile-spelling.ts'
import { type EdgeRecord, lab } from './lab.ts'

interface Plane {
  readonly port: number
  readonly records: readonly EdgeRecord[]
  readonly process?: ChildProcess
}

const shapes = { ...spelled, ...asked }
let endpoint: Watching
beforeAll(async () => {
  endpoint = await watch()
})
afterAll(() => endpoint.stop())

it('the list has at least 100 shapes, each with a name of its own', () => {
  const names = Object.entries(shapes).flatMap(([group, list]) => list.map(([name]) => `${group}: ${name}`))
  expect(names.length).toBeGreaterThanOrEqual(100)
  expect(new Set(names).size).toBe(names.length)
})

describe('bare workerd', () => {
  let plane: Plane
  beforeAll(async () => {
    plane = await bare(input(endpoint.address))
  })

  for (const [group, list] of Object.entries(shapes)) {
    it(group, async () => {
      const got: Record<string, string> = {}
      for (const shape of list) got[shape[0]] = await send(plane, shape)
      expect(got).toEqual(Object.fromEntries(list.map(shape => [shape[0], outcomeOf(shape)])))
    })
  }

  it('is still the same process', () => {
    expect([plane.process!.exitCode, plane.process!.signalCode]).toEqual([null, null])
  })
})

describe('Miniflare in front', () => {
  let plane: Plane
  beforeAll(async () => {
    // What the runtime complains of while it is attacked is no news.
    const log = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
    plane = await lab(input(endpoint.address))
    return () => log.mockRestore()
  })

  for (const [group, list] of Object.entries(shapes)) {
    it(group, async () => {
      const exceptions = underMiniflare[group] ?? {}
      const got: Record<string, string> = {}
      const wanted: Record<string, string> = {}
      for (const [name, bytes, ...rest] of list) {
        const shape: Shape = [name, bytes, ...(exceptions[name] ?? rest)]
        got[name] = await send(plane, shape)
        wanted[name] = outcomeOf(shape)
      }
      expect(got).toEqual(wanted)
    })
  }
})

it('docs/limits.md tells what the list tells', () => {
  const page = new URL('../../docs/limits.md', import.meta.url)
  const text = readFileSync(page, 'utf8')
  const section = /(?<=<!-- hostile shapes -->\n)[\s\S]*?(?=<!-- end -->)/
  if (process.env['WRITE_LIMITS'] === '1')
    writeFileSync(
      page,
      text.replace(section, () => tables()),
    )
  else expect(section.exec(text)?.[0], 'write it with WRITE_LIMITS=1').toBe(tables())
})

/** Sends one shape, then an honest request, and says what came of it in the words of `outcomeOf`. */
async function send(plane: Plane, shape: Shape): Promise<string> {
  const [, bytes, gets] = shape
  const before = { seen: endpoint.seen.length, records: plane.records.length }
  const client = open(plane.port, bytes)
  const wanted = gets.match(/\d{3}/g)?.length ?? 0
  if (gets.startsWith('waits')) await sleep(SILENCE_MS)
  else if (gets === 'closed') await client.until(() => client.isClosed)
  else await client.until(() => client.isClosed || client.statuses().length >= wanted)

  const mark = `/honest/${honest++}`
  const next = open(plane.port, `GET ${mark} HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\n\r\n`)
  await next.until(() => next.isClosed)
  expect(next.statuses(), `the honest request after ${shape[0]}`).toEqual(['200'])
  await expect.poll(() => plane.records.some(record => record.path === mark), POLL).toBe(true)

  const statuses = client.statuses()
  const isWaiting = statuses.length === 0 && !client.isClosed
  client.end()
  // What waited for more is given up when the client goes: then it is recorded, if we knew of it.
  const left = () => plane.records.slice(before.records).filter(record => record.path !== mark)
  if (isWaiting && wanted > 0) await expect.poll(() => left().length, POLL).toBe(wanted)
  await expect.poll(() => endpoint.busy(), POLL).toBe(0)

  const ours = left().map(({ status, endpoint }) => `${status}${status === 200 || endpoint === null ? '' : ' e'}`)
  const seen = endpoint.seen.slice(before.seen).filter(one => one.text !== `GET ${mark}`)
  for (const one of seen)
    expect(dirtOf(one.fields, plane.process !== undefined), `${shape[0]}: ${one.text}`).toEqual([])
  const whole = seen.filter(one => !one.isCutOff).map(one => one.text)
  const answer = isWaiting
    ? ['waits', ...ours].join(' ')
    : statuses.length === 0
      ? 'closed'
      : saidBy(
          statuses.filter(status => status !== '100'),
          ours,
        )
  return [answer, ...whole].join(' | ')
}

function outcomeOf([, , ...rest]: Shape): string {
  return rest.join(' | ')
}

/** Marks the answers that no record of ours accounts for. */
function saidBy(statuses: readonly string[], ours: readonly string[]): string {
  const left = [...ours]
  const said = statuses.map(status => {
    const at = left.findIndex(one => one.startsWith(status))
    return at === -1 ? `${status} w` : left.splice(at, 1)[0]!
  })
  return [...said, ...left.map(status => `unheard ${status}`)].join(' ')
}

/** Fields that must never arrive, and those of ours that are not as we write them. */
function dirtOf(fields: Fields, isBare: boolean): string[] {
  const said = new Map(fields)
  const isWebSocket = said.get('upgrade') === 'websocket'
  const foreign = fields.filter(
    ([name, value]) => /evil/i.test(name + value) || (HOP_BY_HOP.has(name) && !(isWebSocket && WEBSOCKET.has(name))),
  )
  // Miniflare believes X-Forwarded-Proto and changes the URL by it.
  const proto = isBare ? 'http' : said.get('x-forwarded-proto')!
  const ours: Fields = [
    ['x-forwarded-proto', proto],
    ['x-forwarded-host', 'app.test'],
    ['x-forwarded-port', proto === 'https' ? '443' : '80'],
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

type Fields = readonly (readonly [name: string, value: string])[]

interface Watching {
  readonly address: string
  readonly seen: { text: string; isCutOff: boolean; readonly fields: Fields }[]
  /** Requests that have begun and are neither answered nor cut off. */
  busy(): number
  stop(): void
}

/** An endpoint that answers `ok` to everything and keeps what came, as Node's own parser reads it. */
async function watch(): Promise<Watching> {
  const seen: Watching['seen'] = []
  let busy = 0
  const server = http.createServer({ maxHeaderSize: 4_000_000 }, (request, response) => {
    const { rawHeaders } = request
    const fields = rawHeaders.flatMap((name, at) =>
      at % 2 ? [] : [[name.toLowerCase(), rawHeaders[at + 1]!] as const],
    )
    const target = request.url!
    const shown = target.length > 60 ? `${target.slice(0, 10)}… (${target.length})` : target
    const one = { text: `${request.method} ${shown}`, isCutOff: true, fields }
    const chunks: Buffer[] = []
    seen.push(one)
    busy += 1
    request.on('data', chunk => chunks.push(chunk))
    request.on('error', () => {})
    request.on('end', () => {
      one.isCutOff = false
      const body = Buffer.concat(chunks).toString('latin1')
      if (body !== '') one.text += ` ${JSON.stringify(body)}`
      response.end('ok')
    })
    response.on('close', () => {
      busy -= 1
    })
  })
  server.maxHeadersCount = 0
  server.keepAliveTimeout = 300_000
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    busy: () => busy,
    stop: () => {
      server.closeAllConnections()
      server.close()
    },
  }
}

function open(port: number, bytes: string) {
  const socket = net.connect(port, '127.0.0.1')
  let text = ''
  let changed = () => {}
  const client = {
    isClosed: false,
    statuses: () => [...text.matchAll(/HTTP\/1\.[01] (\d{3})/g)].map(([, status]) => status!),
    async until(isDone: () => boolean) {
      while (!isDone()) {
        await new Promise<void>(resolve => {
          changed = resolve
        })
      }
    },
    end: () => socket.destroy(),
  }
  socket.on('data', chunk => {
    text += chunk.toString('latin1')
    changed()
  })
  socket.on('error', () => {})
  socket.on('close', () => {
    client.isClosed = true
    changed()
  })
  socket.write(Buffer.from(bytes, 'latin1'))
  return client
}

/** For docs/limits.md: one table a group, one row an outcome. */
function tables(): string {
  return Object.entries(shapes)
    .map(([group, list]) => {
      const rows = new Map<string, string[]>()
      for (const shape of list) {
        const outcome = tellOutcome(shape)
        rows.set(outcome, [...(rows.get(outcome) ?? []), shape[0]])
      }
      const lines = [...rows].map(([outcome, names]) => `| ${outcome} | ${names.map(inCell).join('; ')} |`)
      return `### ${group}\n\n| what becomes of it | what was sent |\n|---|---|\n${lines.join('\n')}\n\n`
    })
    .join('')
}

function tellOutcome([, , gets, ...sees]: Shape): string {
  const arrives = sees.map(one => `\`${inCell(one)}\``).join(', then ')
  const said = gets.split(/ (?=\d)/).map(one => {
    if (one.endsWith(' e')) return `passed on, and Node as the endpoint answers ${one.slice(0, 3)}`
    if (one.endsWith(' w')) return `workerd answers ${one.slice(0, 3)}`
    if (one === '200') return `passed on as ${arrives}`
    if (gets.startsWith('waits ')) return one === 'waits' ? TOLD.waits : `recorded as ${one} when the client goes`
    return /^\d/.test(one) ? `we answer ${one}` : TOLD[one as keyof typeof TOLD]
  })
  return [...new Set(said)].join(', then ')
}

function inCell(text: string): string {
  return text.replaceAll('|', '\\|')
}

const input = (address: string): ConfigInput => ({
  listeners: { web: { kind: 'edge' } },
  pools: { app: { endpoints: [address], outlier: false } },
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

const TOLD = {
  closed: 'workerd closes the connection',
  waits: 'workerd waits for more',
} as const
const HOP_BY_HOP: ReadonlySet<string> = new Set([
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
const WEBSOCKET: ReadonlySet<string> = new Set(['connection', 'upgrade'])
/** Long enough that an answer would have come; what is late is found by the next request. */
const SILENCE_MS = 150
const POLL = { timeout: 10_000, interval: 2 }
let honest = 0
