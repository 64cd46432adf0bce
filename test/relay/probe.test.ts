import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { RelayEvent } from '../../relay/event.ts'
import { startProbes } from '../../relay/probe.ts'
import type { PoolInput } from '../../shared/config/config-pool.ts'
import { parse } from '../../shared/config/parse.ts'
import { markEjected, stateOf } from '../../shared/pool/health.ts'
import { isDown } from '../../shared/pool/observed.ts'
import type { Pool } from '../../shared/pool/pool.ts'
import { ramp } from '../../shared/pool/view.ts'
import { compile } from '../../shared/table/compile.ts'
import { observedFor, tableOf } from '../support/table.ts'
import { client, ending, endpoint, type Lab, labOf, named, readAll, refusingPort } from './lab.ts'

const often = { interval: '100ms', timeout: '5s' } as const

test('an endpoint that fails its probes is out after three, and back after two that pass', async () => {
  const [sick, well] = await Promise.all([named('sick'), named('well')])
  const [health, other] = await Promise.all([healthOf(), healthOf()])
  const events = eventLog()
  // Traffic goes to another port than the probes ask: the endpoint itself never refuses a connection.
  const { port } = await relayOf({
    endpoints: [`tcp://127.0.0.1:${health.port}`, `tcp://127.0.0.1:${other.port}`],
    probe: { kind: 'http', ...often },
    ...events,
    reaches: new Map([
      [health.port, sick.port],
      [other.port, well.port],
    ]),
  })
  expect(await visits(port, 4)).toEqual({ sick: 2, well: 2 })

  health.answer(500)
  const endpoint = `tcp://127.0.0.1:${health.port}`
  const down = { event: 'endpoint_down', pool: 'pool', endpoint, why: 'status 500, not 200 to 399' }
  expect(await events.next(() => true)).toMatchObject(down)
  expect(health.asked()).toBe(3)
  expect(await visits(port, 4)).toEqual({ well: 4 })

  health.answer(204)
  expect(await events.next(() => true)).toMatchObject({ event: 'endpoint_up', endpoint, why: 'the probe passed' })
  expect(health.asked()).toBe(2)
  expect(await visits(port, 4)).toEqual({ sick: 2, well: 2 })
})

test('traffic leaves a dead endpoint before anybody meets it', async () => {
  const well = await named('well')
  const dead = await refusingPort()
  const events = eventLog()
  const { port, recorded } = await relayOf({
    endpoints: [`tcp://127.0.0.1:${dead}`, `tcp://127.0.0.1:${well.port}`],
    probe: { kind: 'tcp', ...often },
    ...events,
  })
  expect(await events.next(() => true)).toMatchObject({ event: 'endpoint_down', why: 'ECONNREFUSED' })
  expect(await visits(port, 4)).toEqual({ well: 4 })
  for (const { attempts } of await recorded(4)) expect(attempts).toHaveLength(1)
})

test('an endpoint that starts down gets nothing until a probe has passed', async () => {
  const late = await named('late')
  const health = await healthOf()
  health.answer(500)
  const events = eventLog()
  const { port, recorded } = await relayOf({
    endpoints: [`tcp://127.0.0.1:${health.port}`],
    panicPercent: 0,
    probe: { kind: 'http', startDown: true, rise: 1, ...often },
    ...events,
    reaches: new Map([[health.port, late.port]]),
  })
  expect(await ending(await client(port))).toBe('ECONNRESET')
  expect((await recorded(1))[0]).toMatchObject({ reason: 'destination_unavailable' })
  health.answer(200)
  await events.next(event => event.event === 'endpoint_up')
  expect(await visits(port, 1)).toEqual({ late: 1 })
})

test('a passed probe does not end an ejection: probes pass while traffic fails', async () => {
  const [alive, well] = await Promise.all([endpoint(() => {}), named('well')])
  const nobody = await refusingPort()
  const { port, recorded } = await relayOf({
    endpoints: [`tcp://127.0.0.1:${alive.port}`, `tcp://127.0.0.1:${well.port}`],
    outlier: { consecutiveFailures: 2 },
    probe: { kind: 'tcp', rise: 1, ...often },
    reaches: new Map([[alive.port, nobody]]),
  })
  await visits(port, 4)
  expect((await recorded(4)).map(({ attempts }) => attempts.length).sort()).toEqual([1, 1, 2, 2])
  const before = alive.sockets.length
  await alive.accepted(before + 3)
  await visits(port, 4)
  for (const { attempts } of (await recorded(8)).slice(4)) expect(attempts).toHaveLength(1)
})

test('not even one that brings it back from down', async () => {
  const { pool, observed, events, health } = await probesOf({ probe: { kind: 'http', rise: 1, fall: 1, ...often } })
  const [first] = pool.endpoints
  const until = Date.now() + 3_600_000
  markEjected(observed, pool, first!, until)
  health.answer(500)
  await events.next(event => event.event === 'endpoint_down')
  health.answer(200)
  await events.next(event => event.event === 'endpoint_up')
  expect(stateOf(first!, observed, Date.now())).toBe('ejected')
  expect(observed.ejectedUntil[first!.slot]).toBe(until)
})

test('an endpoint that comes back is ramped up, one that never left is not', async () => {
  const words: Omit<PoolInput, 'endpoints'> = { slowStart: '1h', probe: { kind: 'http', rise: 1, fall: 1, ...often } }
  const { pool, observed, events, health } = await probesOf(words)
  const [first] = pool.endpoints
  expect(ramp(pool, first!, observed, Date.now())).toBe(1)
  health.answer(500)
  await events.next(event => event.event === 'endpoint_down')
  health.answer(200)
  await events.next(event => event.event === 'endpoint_up')
  expect(ramp(pool, first!, observed, Date.now())).toBeLessThan(0.2)
})

describe('under a new table', () => {
  test('an endpoint that stays keeps its verdict, one that is not probed any more is up', async () => {
    const { pool, observed, events, health, probes } = await probesOf({ probe: { kind: 'http', fall: 1, ...often } })
    const [first] = pool.endpoints
    health.answer(500)
    await events.next(event => event.event === 'endpoint_down')
    probes.follow([{ ...pool }])
    expect(observed.flags[first!.slot]! & isDown).toBe(isDown)
    probes.follow([{ ...pool, probe: undefined }])
    expect(observed.flags[first!.slot]! & isDown).toBe(0)
  })

  test('another probe begins anew', async () => {
    const { pool, observed, events, health, probes } = await probesOf({ probe: { kind: 'http', fall: 1, ...often } })
    health.answer(500)
    await events.next(event => event.event === 'endpoint_down')
    probes.follow([{ ...pool, probe: { ...pool.probe!, status: [500, 500] } }])
    expect(stateOf(pool.endpoints[0]!, observed, Date.now())).toBe('up')
  })
})

test('no more than 64 probes are open at once, and every endpoint gets its turn', async () => {
  let open = 0
  let most = 0
  const asked = new Set<Socket>()
  const silent = await endpoint(socket => {
    asked.add(socket)
    open += 1
    // A new one may be heard before the end of an older one that came with it.
    setImmediate(() => {
      most = Math.max(most, open)
    })
    socket.resume().on('end', () => {
      open -= 1
      socket.end()
    })
  })
  const names = Array.from({ length: 100 }, (_, at) => ({ name: `e${at}`, address: `tcp://127.0.0.1:${silent.port}` }))
  const events = eventLog()
  const table = tableOf(
    configWith({ endpoints: names, probe: { kind: 'redis', interval: '1h', timeout: '300ms', fall: 1 } }),
  )
  const host = { observed: observedFor(table), now: Date.now, draw: () => 47, ...events }
  const probes = startProbes(host, table.pools)
  onTestFinished(() => probes.stop())
  const down = new Set<string>()
  while (down.size < 100) down.add((await events.next(event => !down.has(event.endpoint))).endpoint)
  expect(asked.size).toBe(100)
  expect(most).toBeLessThanOrEqual(64)
  expect(most).toBeGreaterThan(16)
})

test('a stopped relay has no probe open', async () => {
  const silent = await endpoint(() => {})
  const { relay } = await relayOf({
    endpoints: [`tcp://127.0.0.1:${silent.port}`],
    probe: { kind: 'redis', interval: '100ms', timeout: '60s' },
  })
  const socket = await silent.accepted(0)
  const ended = once(socket.resume(), 'end')
  await relay.stop({ drainMs: 0 })
  await ended
})

interface Wanted extends PoolInput {
  readonly onEvent?: (event: RelayEvent) => void
  readonly next?: unknown
  /** Where traffic for a port really goes; probes know nothing of it. */
  readonly reaches?: ReadonlyMap<number, number>
}

async function relayOf({ onEvent = () => {}, next: _, reaches = new Map(), ...pool }: Wanted): Promise<Lab> {
  const { config } = parse(configWith(pool))
  const { thisHost } = await import('../../relay/forward.ts')
  return labOf(config, {
    onEvent,
    host: {
      connect: (address, onread, opening) =>
        thisHost.connect({ ...address, port: reaches.get(address.port) ?? address.port }, onread, opening),
    },
  })
}

function configWith(pool: PoolInput) {
  return {
    listeners: { door: { kind: 'tcp' as const, address: '127.0.0.1:0' } },
    pools: { pool },
    routes: [{ name: 'route', listener: 'door', pool: 'pool' }],
  }
}

/** Probes alone, of one endpoint that answers what it is told. */
async function probesOf(words: Omit<PoolInput, 'endpoints'>) {
  const health = await healthOf()
  const table = compile(parse(configWith({ endpoints: [`tcp://127.0.0.1:${health.port}`], ...words })).config)
  const observed = observedFor(table)
  const events = eventLog()
  const probes = startProbes({ observed, now: Date.now, draw: () => 47, onEvent: events.onEvent }, table.pools)
  onTestFinished(() => probes.stop())
  return { pool: table.pools[0] as Pool, observed, events, health, probes }
}

/** An HTTP server that answers with the status it was told last, and counts since then. */
async function healthOf() {
  let status = 200
  let asked = 0
  const server = createServer((_, answer) => {
    asked += 1
    answer.writeHead(status).end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.close()
    server.closeAllConnections()
  })
  return {
    port: (server.address() as AddressInfo).port,
    asked: () => asked,
    answer: (now: number) => {
      status = now
      asked = 0
    },
  }
}

function eventLog() {
  const log: RelayEvent[] = []
  let arrived = () => {}
  let read = 0
  return {
    onEvent: (event: RelayEvent) => {
      log.push(event)
      arrived()
    },
    /** The next event that is wanted; those before it are passed over. */
    next: async (isWanted: (event: RelayEvent) => boolean): Promise<RelayEvent> => {
      for (;;) {
        const event = log[read]
        if (event === undefined) {
          await new Promise<void>(resolve => {
            arrived = resolve
          })
        } else {
          read += 1
          if (isWanted(event)) return event
        }
      }
    },
  }
}

/** How often each endpoint said its name over so many connections. */
async function visits(port: number, count: number): Promise<Record<string, number>> {
  const seen: Record<string, number> = {}
  for (let visit = 0; visit < count; visit++) {
    const socket = await client(port)
    const name = String(await readAll(socket))
    socket.end()
    seen[name] = (seen[name] ?? 0) + 1
  }
  return seen
}
