// What a client gets from an endpoint that fails, by failure, method and body, and in how many tries. The second endpoint
// is a good one: `200 2` says that it gave the answer.

import { once } from 'node:events'
import http from 'node:http'
import { beforeAll, describe, expect, it } from 'vitest'
import { type Endpoint, endpoint, type Lab, lab, nobody } from './lab.ts'

/**
 * The status that the client saw and the number of tries; `cut` when the body broke off. Bodies: none, `small` (5 bytes),
 * `large` (one byte more than the retry buffer of 64 KiB). `reason` is the record's wherever the answer is our own (every
 * 502 and 504 of the rows that name one), and null elsewhere.
 *
 * Retried are GET, HEAD, PUT and DELETE whose body fits the buffer, on what `retry.on` names by default: connect-failure,
 * 502 and 503. It is as shared/attempt plans it but for this:
 * - A connection that breaks after it was made is a `connect-failure` as well (the plan would call it `reset`): workerd
 *   throws the same error for both. So an idempotent request that an endpoint may have acted on is tried again.
 * - A POST whose connection was refused is not tried again, though no byte of it was written: workerd does not say so.
 * - A large body has no try timeout (see `tryEndpoint`), so a client waits for an endpoint that never answers: `-`.
 * - 52x answers mean at Cloudflare that its front could not get through. From an endpoint of one's own they read the same.
 */
const table = `
                 | reason                | GET       | HEAD  | PUT       | PUT small | PUT large | DELETE    | DELETE small | POST      | POST small | POST large | PATCH small | PATCH large
refused          | connection_terminated | 200 2     | 200 2 | 200 2     | 200 2     | 502 1     | 200 2     | 200 2        | 502 1     | 502 1      | 502 1      | 502 1       | 502 1
reset at once    | connection_terminated | 200 2     | 200 2 | 200 2     | 200 2     | 502 1     | 200 2     | 200 2        | 502 1     | 502 1      | 502 1      | 502 1       | 502 1
reset in headers | connection_terminated | 200 2     | 200 2 | 200 2     | 200 2     | 502 1     | 200 2     | 200 2        | 502 1     | 502 1      | 502 1      | 502 1       | 502 1
reset in body    |                       | 200 1 cut | 200 1 | 200 1 cut | 200 1 cut | 200 1 cut | 200 1 cut | 200 1 cut    | 200 1 cut | 200 1 cut  | 200 1 cut  | 200 1 cut   | 200 1 cut
no headers       | http_response_timeout | 504 1     | 504 1 | 504 1     | 504 1     | -         | 504 1     | 504 1        | 504 1     | 504 1      | -          | 504 1       | -
slow body        |                       | 200 1     | 200 1 | 200 1     | 200 1     | 200 1     | 200 1     | 200 1        | 200 1     | 200 1      | 200 1      | 200 1       | 200 1
500              |                       | 500 1     | 500 1 | 500 1     | 500 1     | 500 1     | 500 1     | 500 1        | 500 1     | 500 1      | 500 1      | 500 1       | 500 1
502              |                       | 200 2     | 200 2 | 200 2     | 200 2     | 502 1     | 200 2     | 200 2        | 502 1     | 502 1      | 502 1      | 502 1       | 502 1
503              |                       | 200 2     | 200 2 | 200 2     | 200 2     | 503 1     | 200 2     | 200 2        | 503 1     | 503 1      | 503 1      | 503 1       | 503 1
504              |                       | 504 1     | 504 1 | 504 1     | 504 1     | 504 1     | 504 1     | 504 1        | 504 1     | 504 1      | 504 1      | 504 1       | 504 1
520              |                       | 520 1     | 520 1 | 520 1     | 520 1     | 520 1     | 520 1     | 520 1        | 520 1     | 520 1      | 520 1      | 520 1       | 520 1
521              |                       | 200 2     | 200 2 | 200 2     | 200 2     | 521 1     | 200 2     | 200 2        | 521 1     | 521 1      | 521 1      | 521 1       | 521 1
522              |                       | 522 1     | 522 1 | 522 1     | 522 1     | 522 1     | 522 1     | 522 1        | 522 1     | 522 1      | 522 1      | 522 1       | 522 1
523              |                       | 200 2     | 200 2 | 200 2     | 200 2     | 523 1     | 200 2     | 200 2        | 523 1     | 523 1      | 523 1      | 523 1       | 523 1
524              |                       | 524 1     | 524 1 | 524 1     | 524 1     | 524 1     | 524 1     | 524 1        | 524 1     | 524 1      | 524 1      | 524 1       | 524 1
525              |                       | 200 2     | 200 2 | 200 2     | 200 2     | 525 1     | 200 2     | 200 2        | 525 1     | 525 1      | 525 1      | 525 1       | 525 1
526              |                       | 200 2     | 200 2 | 200 2     | 200 2     | 526 1     | 200 2     | 200 2        | 526 1     | 526 1      | 526 1      | 526 1       | 526 1
530              |                       | 200 2     | 200 2 | 200 2     | 200 2     | 530 1     | 200 2     | 200 2        | 530 1     | 530 1      | 530 1      | 530 1       | 530 1
garbage          | connection_terminated | 200 2     | 200 2 | 200 2     | 200 2     | 502 1     | 200 2     | 200 2        | 502 1     | 502 1      | 502 1      | 502 1       | 502 1
empty            | connection_terminated | 200 2     | 200 2 | 200 2     | 200 2     | 502 1     | 200 2     | 200 2        | 502 1     | 502 1      | 502 1      | 502 1       | 502 1
`

const [head, ...rows] = table
  .split('\n')
  .filter(line => line !== '')
  .map(line => line.split('|').map(cell => cell.trim()))
const columns = head!.slice(2)

let edge: Lab
let failing: Endpoint
let good: Endpoint

beforeAll(async () => {
  failing = await endpoint((request, response) => {
    request.resume()
    const [, failure] = request.url!.split('/')
    request.on('end', () => fail(failure!.replaceAll('-', ' '), request, response))
  })
  good = await endpoint((request, response) => {
    request.resume()
    request.on('end', () => response.end('good'))
  })
  const pool = (address: string) => ({
    endpoints: [address, { address: good.address, priority: 1 }],
    outlier: false as const,
    retryBudget: { percent: 100, perSecond: 1000 },
  })
  edge = await lab({
    listeners: { web: { kind: 'edge' } },
    pools: { failing: pool(failing.address), refusing: pool(await nobody()) },
    routes: [
      {
        name: 'app',
        rules: [
          { name: 'all', pool: 'failing' },
          { name: 'mute', match: { path: '/no-headers' }, pool: 'failing', timeouts: { try: '1s' } },
          // Shorter than the body takes: the clock of a try stops at the headers.
          { name: 'slow', match: { path: '/slow-body' }, pool: 'failing', timeouts: { try: '2s' } },
          { name: 'refused', match: { path: '/refused' }, pool: 'refusing' },
        ],
      },
    ],
  })
})

describe('an endpoint that fails', () => {
  for (const [failure, reason, ...cells] of rows) {
    it(failure!, async () => {
      const got = await Promise.all(
        columns.map((column, at) => (cells[at] === '-' ? '-' : ask(failure!, column, reason!))),
      )
      expect(Object.fromEntries(columns.map((column, at) => [column, got[at]]))).toEqual(
        Object.fromEntries(columns.map((column, at) => [column, cells[at]])),
      )
    })
  }
})

async function ask(failure: string, column: string, reason: string): Promise<string> {
  const [method, size] = column.split(' ') as [string, 'small' | 'large' | undefined]
  const path = `/${failure.replaceAll(' ', '-')}/${column.replace(' ', '-')}/`
  const body = size === undefined ? undefined : Buffer.alloc(size === 'small' ? 5 : 64 * 1024 + 1)
  const headers = { host: 'app.test', ...(body === undefined ? {} : { 'content-length': body.length }) }
  const request = http.request({ host: '127.0.0.1', port: edge.port, path, method, headers, agent: false })
  request.end(body)
  const [response] = (await once(request, 'response')) as [http.IncomingMessage]
  let isCut = false
  response.resume()
  response.on('error', () => {
    isCut = true
  })
  await new Promise(resolve => response.on('close', resolve))

  const { attempts, status, reason: why } = await edge.recordOf(path)
  expect(
    edge.records.filter(one => one.path === path),
    'exactly one record',
  ).toHaveLength(1)
  expect(status).toBe(response.statusCode)
  const isOurs = response.headers['proxy-status'] !== undefined
  expect(why, `${column}: the reason`).toBe(isOurs ? reason : null)
  const reached = failing.count(path) + good.count(path)
  expect(reached, `${column}: tries that reached an endpoint`).toBe(attempts.length - (failure === 'refused' ? 1 : 0))
  return `${status} ${attempts.length}${isCut ? ' cut' : ''}`
}

function fail(failure: string, request: http.IncomingMessage, response: http.ServerResponse): void {
  const { socket } = request
  switch (failure) {
    case 'reset at once':
      socket.resetAndDestroy()
      break
    case 'reset in headers':
      socket.write('HTTP/1.1 200 OK\r\nContent-Le', () => socket.resetAndDestroy())
      break
    case 'reset in body':
      // The client has the headers by then: an endpoint that resets earlier takes them away again.
      response.writeHead(200, { 'content-length': 10 }).flushHeaders()
      response.write('half')
      setTimeout(() => socket.resetAndDestroy(), 500)
      break
    case 'no headers':
      break
    case 'slow body':
      response.writeHead(200, { 'content-length': 8 }).flushHeaders()
      response.write('half')
      setTimeout(() => response.end('half'), 2_500)
      break
    case 'garbage':
      socket.end('SSH-2.0-OpenSSH_9.2p1\r\n\r\n')
      break
    case 'empty':
      socket.end()
      break
    default:
      response.writeHead(Number(failure)).end('failed')
  }
}
