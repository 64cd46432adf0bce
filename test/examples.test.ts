// Every example passes the check, and real requests and connections through it reach the endpoints given by variables.

import { once } from 'node:events'
import { existsSync, readdirSync } from 'node:fs'
import net from 'node:net'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { askHttp, askTcp } from '../cli/ask.ts'
import { startPlanes } from '../cli/planes.ts'
import canary from '../examples/canary-by-cookie/routes.ts'
import first from '../examples/first/routes.ts'
import { parse } from '../shared/config/parse.ts'
import { dealFresh, leastMoves, movedSlots, ownerOf, SLOT_COUNT } from '../shared/table/slots.ts'
import { fourseven } from './cli/command.ts'
import { root } from './support/pages.ts'
import { endpoint, lab, sayWhatCame } from './workers/lab.ts'

const driven = ['first', 'canary-by-cookie']

test('every example is driven here', () => {
  expect(readdirSync(join(root, 'examples')).sort()).toEqual([...driven].sort())
})

describe.each(driven)('examples/%s', name => {
  test('passes the check without a warning', async () => {
    const { code, stdout } = await fourseven(['check', `examples/${name}/routes.ts`, '--strict'])
    expect(stdout).toContain('0 errors, 0 warnings')
    expect(code).toBe(0)
  })

  test('has a README', () => {
    expect(existsSync(join(root, 'examples', name, 'README.md'))).toBe(true)
  })
})

test('first: any host reaches the app, and a connection reaches the database', async () => {
  const app = await endpoint(sayWhatCame('app'))
  const variables = { APP: app.address, DB: await echo() }
  const { config } = parse(first, { variables })
  const edge = { host: '127.0.0.1', port: 0 }
  const planes = await startPlanes(config, { variables, edge, ports: 'free', onRecord: () => {} })
  onTestFinished(planes.stop)

  const signal = AbortSignal.timeout(10_000)
  const answer = await askHttp(planes.edge!, { host: 'any.test', path: '/orders?page=2' }, signal)
  expect(JSON.parse(answer.body.toString())).toMatchObject({ endpoint: 'app', url: '/orders?page=2' })
  const sent = Buffer.from('select 1')
  expect(await askTcp(planes.listeners.get('db')!, sent, 'half-close', signal)).toEqual(sent)
})

describe('canary-by-cookie', () => {
  const host = 'shop.example.com'

  test('users keep what they got, the cookie forces, and paying stays on stable', async () => {
    const [stable, fresh] = await Promise.all([endpoint(sayWhatCame('stable')), endpoint(sayWhatCame('canary'))])
    const edge = await lab(canary, { STABLE: stable.address, CANARY: fresh.address })
    const endpointFor = async (path: string, cookie: string) =>
      (await edge.ask(path, { host, headers: { cookie } })).seen.endpoint

    expect(await endpointFor('/', 'canary=always')).toBe('canary')
    expect(await endpointFor('/', 'canary=never; fs_id=carol')).toBe('stable')
    expect(await endpointFor('/', 'fs_id=carol')).toBe('canary')
    expect(await endpointFor('/', 'fs_id=alice')).toBe('stable')
    expect(await endpointFor('/checkout/pay', 'canary=always')).toBe('stable')

    const answer = await edge.ask('/', { host })
    expect(answer.headers['x-fourseven-variant']).toBe(answer.seen.endpoint)
    const cookie = answer.setCookie.find(line => line.startsWith('fs_id='))!.split(';')[0]!
    for (let visit = 0; visit < 5; visit++) expect(await endpointFor('/', cookie)).toBe(answer.seen.endpoint)
    expect((await edge.ask('/', { host, headers: { cookie } })).setCookie).toEqual([])
  })

  test('80/20 in place of 90/10 moves a further tenth to the canary and nobody back', () => {
    const [before, after] = [dealFresh([90, 10]), dealFresh([80, 20])]
    expect(movedSlots(before, after)).toBe(leastMoves(before, [80, 20]))
    for (let slot = 0; slot < SLOT_COUNT; slot++) {
      if (ownerOf(before, slot) === 1) expect(ownerOf(after, slot)).toBe(1)
    }
  })

  test('100/0 leaves nobody on the canary', () => {
    expect(dealFresh([100, 0])).toEqual({ starts: [0], owners: [0] })
  })
})

test('three variants may move more than the least when the file is edited, as the pages say', () => {
  const before = dealFresh([80, 10, 10])
  expect(movedSlots(before, dealFresh([70, 10, 20]))).toBeGreaterThan(leastMoves(before, [70, 10, 20]))
})

/** `tcp://127.0.0.1:40001`, which sends back what it gets. */
async function echo(): Promise<string> {
  const server = net.createServer({ allowHalfOpen: true }, socket => socket.pipe(socket))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  return `tcp://127.0.0.1:${(server.address() as net.AddressInfo).port}`
}
