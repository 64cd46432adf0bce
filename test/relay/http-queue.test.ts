// Places of a pool that are chosen by one request and taken by another: in the meantime of a body, and between threads.

import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import http from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import type { PoolInput } from '../../shared/config/config-pool.ts'
import { folderWith } from '../cli/command.ts'
import { answerTo, ask, client, endpoint, httpLab, until } from './http-lab.ts'

describe('a place that was taken while the body of a request came', () => {
  it('is waited for where the pool has a queue', async () => {
    const { port, held, records } = await lab({ limits: { maxRequestsPerEndpoint: 1 }, queue: { timeout: '60s' } })
    const request = await decided(port)
    const other = ask(port, '/held')
    await until(() => held.length === 1)
    request.end('body')
    // It is back in the queue, and so a third one is behind it.
    const third = ask(port, '/third')
    held[0]!.end('first')
    expect((await other).body).toBe('first')
    expect(await answerTo(request)).toMatchObject({ status: 200, body: 'body' })
    expect((await third).status).toBe(200)
    await until(() => records.length === 3)
    expect(records.map(({ reason }) => reason)).toEqual([null, null, null])
  })

  it('is waited for no longer than the queue allows', async () => {
    const { port, held, recorded } = await lab({ limits: { maxRequests: 1 }, queue: { timeout: '200ms' } })
    const request = await decided(port)
    const other = ask(port, '/held')
    await until(() => held.length === 1)
    request.end('body')
    expect((await answerTo(request)).status).toBe(503)
    expect((await recorded(1))[0]).toMatchObject({ reason: 'queue_timeout', route: 'app' })
    held[0]!.end('first')
    expect((await other).body).toBe('first')
  })

  it('is found at another endpoint, without any queue', async () => {
    // By its address the client comes to the same endpoint each time.
    const balance = { hash: 'address' } as const
    const { port, held, recorded } = await lab({ balance, limits: { maxRequestsPerEndpoint: 1 } }, 2)
    const request = await decided(port)
    const other = ask(port, '/held')
    await until(() => held.length === 1)
    request.end('body')
    expect(await answerTo(request)).toMatchObject({ status: 200, body: 'body' })
    held[0]!.end('first')
    expect((await other).body).toBe('first')
    const [one, two] = await recorded(2)
    expect(one!.endpoint).not.toBe(two!.endpoint)
  })

  it('and no queue is 503', async () => {
    const { port, held, recorded } = await lab({ limits: { maxRequests: 1 } })
    const request = await decided(port)
    const other = ask(port, '/held')
    await until(() => held.length === 1)
    request.end('body')
    expect((await answerTo(request)).status).toBe(503)
    expect((await recorded(1))[0]).toMatchObject({ reason: 'connection_limit_reached' })
    held[0]!.end('first')
    await other
  })
})

it('threads that want the same place lose no request: who comes too late waits', async () => {
  let open = 0
  let most = 0
  const { address } = await endpoint((_, response) => {
    open += 1
    most = Math.max(most, open)
    setImmediate(() => {
      open -= 1
      response.end('x')
    })
  })
  const pool = {
    endpoints: [address],
    limits: { maxRequestsPerEndpoint: 2 },
    queue: { max: 1_000, timeout: '60s' },
  } as const
  const { port, records } = await httpLab([], { pools: { app: pool }, options: { threads: 3 } })
  const clients = Array.from({ length: 24 }, async () => {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
    const statuses: number[] = []
    for (let asked = 0; asked < 50; asked++) statuses.push((await ask(port, '/', { agent })).status)
    agent.destroy()
    return statuses
  })
  expect(new Set((await Promise.all(clients)).flat())).toEqual(new Set([200]))
  expect(most).toBeLessThanOrEqual(2)
  await until(() => records.length === 24 * 50)
})

it('who has a stale answer gets no other one when there is no place to ask for a new one', async () => {
  let isHeld = false
  const { address } = await endpoint((request, response) => {
    response.setHeader('cache-control', 'max-age=1, stale-while-revalidate=600')
    if (!isHeld) response.end('x'.repeat(request.url === '/filling' ? 1_046_000 : 5_000))
  })
  let isReady = false
  const folder = folderWith({})
  // All of it is read from disk: what is decided meanwhile is decided for places that are free.
  const { port } = await httpLab([], {
    pools: { app: { endpoints: [address], limits: { maxRequests: 1 }, queue: { max: 100, timeout: '100ms' } } },
    routes: [{ name: 'app', listener: 'web', pool: 'app', cache: true }],
    cacheStore: { memory: '1MiB', disk: { path: folder, size: '64MiB' } },
    options: {
      onDisk: () => {
        isReady = true
      },
    },
  })
  await until(() => isReady)
  const paths = Array.from({ length: 8 }, (_, index) => `/${index}`)
  for (const path of [...paths, '/filling']) await ask(port, path)
  const heads = () => readdirSync(folder, { recursive: true }).filter(name => String(name).endsWith('.head'))
  await until(() => heads().length === paths.length + 1)
  await sleep(1_100)
  isHeld = true
  const said = paths.map(() => '')
  const clients = paths.map((_, index) => {
    const socket = client(port)
    socket.on('data', chunk => {
      said[index] = `${said[index]}${chunk}`
    })
    return socket
  })
  await Promise.all(clients.map(socket => once(socket, 'connect')))
  for (const [index, socket] of clients.entries())
    socket.write(`GET ${paths[index]} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`)
  await until(() => said.every(text => text.includes('x'.repeat(5_000))))
  await sleep(500)
  expect(said.map(text => text.match(/HTTP\/1\.1 \d+/g))).toEqual(paths.map(() => ['HTTP/1.1 200']))
})

/** `/held` is answered when the test says so, others with what they sent. */
async function lab(pool: Omit<PoolInput, 'endpoints'>, count = 1) {
  const held: http.ServerResponse[] = []
  const serve: http.RequestListener = (request, response) => {
    if (request.url === '/held') held.push(response)
    else request.pipe(response)
  }
  const endpoints = await Promise.all(Array.from({ length: count }, () => endpoint(serve)))
  const addresses = endpoints.map(({ address }) => address)
  return { ...(await httpLab([], { pools: { app: { ...pool, endpoints: addresses } } })), held }
}

/** A request whose header has been decided on, and whose body has not come. */
async function decided(port: number): Promise<http.ClientRequest> {
  const headers = { 'content-length': 4, expect: '100-continue' }
  const request = http.request({ host: '127.0.0.1', port, method: 'POST', path: '/', agent: false, headers })
  request.flushHeaders()
  // Its body is asked for after the decision.
  await new Promise(resolve => request.once('continue', resolve))
  return request
}
