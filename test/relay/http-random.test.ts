// Exchanges of every shape at once, over connections that are kept: what a body, a pause or a client that leaves does to one
// of them must not be felt by the next on the same connection.

import { createHash } from 'node:crypto'
import { once } from 'node:events'
import http from 'node:http'
import http2 from 'node:http2'
import { setTimeout as sleep } from 'node:timers/promises'
import { gunzipSync } from 'node:zlib'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { endpoint, http2Endpoint, httpLab, onEnd, session } from './http-lab.ts'

/** What the endpoint is told in the path, and how its client behaves. */
interface Exchange {
  readonly version: 1 | 2
  readonly to: 'one' | 'two'
  readonly down: number
  readonly pieces: number
  readonly isCounted: boolean
  readonly trailers: boolean
  readonly up: number
  readonly encoding: 'gzip' | 'identity'
  readonly pace: 'fast' | 'slow' | 'leaves'
}

const size = fc.oneof(
  fc.constant(0),
  fc.integer({ min: 1, max: 2_000 }),
  fc.integer({ min: 15_000, max: 140_000 }),
  fc.integer({ min: 300_000, max: 900_000 }),
)
const exchange: fc.Arbitrary<Exchange> = fc.record({
  version: fc.constantFrom(1 as const, 2 as const),
  to: fc.constantFrom('one' as const, 'two' as const),
  down: size,
  pieces: fc.integer({ min: 1, max: 5 }),
  isCounted: fc.boolean(),
  trailers: fc.boolean(),
  up: fc.oneof(fc.constant(0), size),
  encoding: fc.constantFrom('gzip' as const, 'identity' as const),
  pace: fc.constantFrom('fast' as const, 'fast' as const, 'fast' as const, 'slow' as const, 'leaves' as const),
})

test('four hundred exchanges of random shape are each answered whole, and each has one record', async () => {
  const lab = await scene()
  const all = fc.sample(exchange, { numRuns: 400, seed: 47 })
  let at = 0
  const lane = async () => {
    while (at < all.length) await lab.carryOut(all[at++]!)
  }
  await Promise.all(Array.from({ length: 12 }, lane))
  const records = await lab.recorded(all.length)
  expect(records).toHaveLength(all.length)
  const gone = all.filter(({ pace }) => pace === 'leaves').length
  const odd = records.filter(({ reason }) => reason !== undefined && reason !== null)
  expect(odd.length).toBeLessThanOrEqual(gone)
  expect(new Set(odd.map(({ reason }) => reason))).toEqual(new Set(odd.length === 0 ? [] : ['client_gone']))
}, 120_000)

async function scene() {
  const one = await endpoint((request, response) => void serve(request, request.url!, response))
  const two = await http2Endpoint((stream, headers) => void serveStream(stream, headers[':path']!))
  const { port, recorded } = await httpLab([], {
    pools: { one: { endpoints: [one.address] }, two: { endpoints: [two.address] } },
    routes: [
      { name: 'one', match: { path: '/one' }, pool: 'one', compress: true },
      { name: 'two', match: { path: '/two' }, pool: 'two', compress: true },
    ],
  })
  const agent = new http.Agent({ keepAlive: true, maxSockets: 4 })
  onEnd(() => agent.destroy())
  const client = session(port)
  return {
    recorded,
    carryOut: (it: Exchange) => (it.version === 1 ? overHttp1(port, agent, it) : overHttp2(client, it)),
  }
}

function pathOf({ to, down, pieces, isCounted, trailers }: Exchange): string {
  return `/${to}?${new URLSearchParams({ down: `${down}`, pieces: `${pieces}`, counted: `${isCounted}`, trailers: `${trailers}` })}`
}

/** Lines of text, so that it may be compressed. */
function bytesOf(count: number): Buffer {
  return Buffer.alloc(count, `${count} lines of what was asked for\n`)
}

function sumOf(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}

async function serve(request: http.IncomingMessage, url: string, response: http.ServerResponse): Promise<void> {
  const wanted = new URL(url, 'http://x').searchParams
  const got = Buffer.concat(await request.toArray().catch(() => []))
  const bytes = bytesOf(Number(wanted.get('down')))
  response.writeHead(200, {
    'content-type': 'text/plain',
    'x-got': sumOf(got),
    ...(wanted.get('counted') === 'true' ? { 'content-length': bytes.length } : {}),
  })
  await inPieces(bytes, Number(wanted.get('pieces')), response)
  if (wanted.get('trailers') === 'true' && wanted.get('counted') !== 'true') response.addTrailers({ 'x-end': 'whole' })
  response.end()
}

async function serveStream(stream: http2.ServerHttp2Stream, path: string): Promise<void> {
  const wanted = new URL(path, 'http://x').searchParams
  const got = Buffer.concat(await stream.toArray().catch(() => []))
  if (stream.destroyed) return
  const bytes = bytesOf(Number(wanted.get('down')))
  const hasTrailers = wanted.get('trailers') === 'true'
  stream.on('wantTrailers', () => stream.sendTrailers({ 'x-end': 'whole' }))
  stream.respond(
    {
      ':status': 200,
      'content-type': 'text/plain',
      'x-got': sumOf(got),
      ...(wanted.get('counted') === 'true' ? { 'content-length': bytes.length } : {}),
    },
    { waitForTrailers: hasTrailers },
  )
  await inPieces(bytes, Number(wanted.get('pieces')), stream)
  stream.end()
}

/** With a moment between them: they come in reads of their own. */
async function inPieces(bytes: Buffer, pieces: number, to: NodeJS.WritableStream & { destroyed: boolean }) {
  const step = Math.ceil(bytes.length / pieces)
  for (let at = 0; at < bytes.length; at += step) {
    if (to.destroyed) return
    to.write(bytes.subarray(at, at + step))
    await sleep(2)
  }
}

async function overHttp1(port: number, agent: http.Agent, it: Exchange): Promise<void> {
  const body = bytesOf(it.up)
  const request = http.request({
    host: '127.0.0.1',
    port,
    agent,
    path: pathOf(it),
    method: it.up > 0 ? 'POST' : 'GET',
    headers: { 'accept-encoding': it.encoding },
  })
  request.end(body)
  const [response] = (await once(request, 'response')) as [http.IncomingMessage]
  if (it.pace === 'leaves') {
    response.on('error', () => {})
    response.destroy()
    return
  }
  const bytes = await readAt(it.pace, response)
  check(it, body, response.statusCode, response.headers, bytes)
}

async function overHttp2(client: http2.ClientHttp2Session, it: Exchange): Promise<void> {
  const body = bytesOf(it.up)
  const stream = client.request({
    ':path': pathOf(it),
    ':method': it.up > 0 ? 'POST' : 'GET',
    ':authority': 'app.test',
    'accept-encoding': it.encoding,
  })
  if (it.up > 0) stream.end(body)
  const [headers] = (await once(stream, 'response')) as [http2.IncomingHttpHeaders & { ':status': number }]
  if (it.pace === 'leaves') {
    stream.on('error', () => {})
    stream.close(http2.constants.NGHTTP2_CANCEL)
    return
  }
  const bytes = await readAt(it.pace, stream)
  check(it, body, headers[':status'], headers, bytes)
}

async function readAt(pace: Exchange['pace'], from: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of from) {
    chunks.push(chunk)
    if (pace === 'slow' && chunks.length < 20) await sleep(5)
  }
  return Buffer.concat(chunks)
}

function check(
  it: Exchange,
  sent: Buffer,
  status: number | undefined,
  headers: http.IncomingHttpHeaders,
  bytes: Buffer,
): void {
  const plain = headers['content-encoding'] === 'gzip' ? gunzipSync(bytes) : bytes
  expect([it, status, headers['x-got'], plain.length]).toEqual([it, 200, sumOf(sent), it.down])
  expect(plain.equals(bytesOf(it.down))).toBe(true)
}
