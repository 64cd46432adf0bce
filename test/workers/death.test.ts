// One of two endpoints dies in the middle of several hundred requests and comes back: no client sees it.

import { once } from 'node:events'
import http from 'node:http'
import net, { type AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { beforeAll, expect, it } from 'vitest'
import { endpoint, type Lab, lab } from './lab.ts'

const REQUESTS = 600
const CLIENTS = 16
const FAILURES_TO_EJECT = 5
const EJECTION_MS = 2_000

let edge: Lab
let mortal: Mortal
const agent = new http.Agent({ keepAlive: true, maxSockets: CLIENTS })

beforeAll(async () => {
  mortal = await openMortal()
  const steady = await endpoint((request, response) => {
    request.resume()
    setTimeout(() => response.end('steady'), 5)
  })
  edge = await lab({
    listeners: { web: { kind: 'edge' } },
    pools: {
      app: {
        endpoints: [steady.address, { address: mortal.address, name: 'mortal' }],
        outlier: { consecutiveFailures: FAILURES_TO_EJECT, baseEjection: `${EJECTION_MS}ms` },
      },
    },
    routes: [{ name: 'app', pool: 'app' }],
  })
  return () => {
    agent.destroy()
    mortal.die()
  }
})

it('600 GETs, one endpoint killed after 200: all of them get 200, and the dead one is left alone', async () => {
  const statuses = new Map<number, number>()
  const began = Date.now()
  let asked = 0
  let byMortal = 0
  const client = async () => {
    while (asked < REQUESTS) {
      asked += 1
      if (asked === 200) mortal.die()
      const { status, body } = await get()
      statuses.set(status, (statuses.get(status) ?? 0) + 1)
      if (body === 'mortal') byMortal += 1
    }
  }
  await Promise.all(Array.from({ length: CLIENTS }, client))
  expect(Object.fromEntries(statuses)).toEqual({ 200: REQUESTS })
  // It took its half while it lived.
  expect(byMortal).toBeGreaterThan(50)

  await expect.poll(() => edge.records.length, { timeout: 10_000 }).toBe(REQUESTS)
  const failed = edge.records.filter(record => record.attempts.some(one => one.outcome === 'connect-failure'))
  for (const { attempts } of failed) {
    expect(attempts.map(attempt => [attempt.endpoint === 'mortal', attempt.outcome])).toEqual([
      [true, 'connect-failure'],
      [false, 200],
    ])
  }
  expect(failed.length).toBeGreaterThanOrEqual(FAILURES_TO_EJECT)
  // What was open when it died, what ejects it, and the same again each time an ejection ends.
  const ejections = 1 + Math.floor((Date.now() - began) / EJECTION_MS)
  expect(failed.length).toBeLessThanOrEqual((FAILURES_TO_EJECT + CLIENTS) * ejections)
})

it('it is asked again when the ejection is over, and nobody sees that either', async () => {
  await mortal.rise()
  const statuses = new Set<number>()
  const askOnce = async () => {
    const { status, body } = await get()
    statuses.add(status)
    return body
  }
  await expect.poll(askOnce, { timeout: 20_000, interval: 20 }).toBe('mortal')
  expect([...statuses]).toEqual([200])
})

it('clients that break off or dawdle in an upload eject nobody', async () => {
  const [first, reserve] = await Promise.all(
    ['first', 'reserve'].map(name =>
      endpoint((request, response) => {
        request.on('end', () => response.end(name))
        request.resume()
      }),
    ),
  )
  const touchy = await lab({
    listeners: { web: { kind: 'edge' } },
    pools: {
      app: {
        endpoints: [first!.address, { address: reserve!.address, priority: 1 }],
        outlier: { consecutiveFailures: 1 },
      },
    },
    routes: [{ name: 'app', pool: 'app', timeouts: { try: '200ms' } }],
  })
  const half = 'Host: app.test\r\nContent-Length: 10\r\n\r\nhalf'
  for (const method of ['POST', 'PUT', 'PATCH', 'GET']) {
    const path = `/broken/${method}`
    const client = net.connect(touchy.port, '127.0.0.1')
    client.write(`${method} ${path} HTTP/1.1\r\n${half}`)
    // Longer than a try may take.
    await sleep(400)
    client.destroy()
    await touchy.recordOf(path)
  }
  expect((await touchy.ask('/after')).body.toString()).toBe('first')
})

async function get(): Promise<{ status: number; body: string }> {
  const headers = { host: 'app.test' }
  const request = http.get({ host: '127.0.0.1', port: edge.port, path: '/', headers, agent })
  const [response] = (await once(request, 'response')) as [http.IncomingMessage]
  let body = ''
  for await (const chunk of response) body += chunk
  return { status: response.statusCode!, body }
}

interface Mortal {
  readonly address: string
  /** Breaks what is open and listens no more. */
  die(): void
  /** Listens again in the same place. */
  rise(): Promise<void>
}

async function openMortal(): Promise<Mortal> {
  const listen = async (port: number) => {
    const server = http.createServer((request, response) => {
      request.resume()
      setTimeout(() => response.end('mortal'), 5)
    })
    server.keepAliveTimeout = 300_000
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
    return server
  }
  let server = await listen(0)
  const { port } = server.address() as AddressInfo
  return {
    address: `http://127.0.0.1:${port}`,
    die: () => {
      server.close()
      server.closeAllConnections()
    },
    rise: async () => {
      server = await listen(port)
    },
  }
}
