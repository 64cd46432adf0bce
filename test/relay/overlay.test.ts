// A relay that reads its overlay from an edge: here a small server that says what the test lets it say.

import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { expect, onTestFinished, test } from 'vitest'
import { livePools } from '../../relay/live.ts'
import { openMetrics } from '../../relay/metrics.ts'
import { startRelay } from '../../relay/relay.ts'
import type { OverlayEvent, Relay } from '../../relay/relay-api.ts'
import { parse } from '../../shared/config/parse.ts'
import type { Config } from '../../shared/config/parsed.ts'
import type { Problem } from '../../shared/config/problem.ts'
import { type Changed, type Command, change, type Report } from '../../shared/overlay/command.ts'
import { emptyOverlay, type Overlay } from '../../shared/overlay/overlay.ts'
import { compile } from '../../shared/table/compile.ts'
import { askOnce } from '../cache/ask.ts'
import { folderWith } from '../cli/command.ts'
import { authority } from '../support/certificates.ts'
import { client, configOf, echo, poolOf, ruleOf, said } from './lab.ts'

const token = 'a-token-of-the-test'

/** Says the overlay to whoever has the token, with an ETag. */
async function edge() {
  const state = {
    overlay: emptyOverlay as unknown,
    etag: '"life.0"',
    status: 200,
    asked: [] as IncomingMessage[],
    sent: 0,
  }
  const server = createServer((request, response) => {
    state.asked.push(request)
    if (request.headers.authorization !== `Bearer ${token}`) return response.writeHead(401).end()
    if (state.status !== 200) return response.writeHead(state.status).end()
    if (request.headers['if-none-match'] === state.etag) return response.writeHead(304).end()
    state.sent += 1
    response
      .writeHead(200, { etag: state.etag, 'content-type': 'application/json' })
      .end(JSON.stringify({ at: Date.now(), overlay: state.overlay }))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  const say = (overlay: unknown, etag = `"life.${(overlay as Overlay).version}"`) =>
    Object.assign(state, { overlay, etag })
  return { url: `http://127.0.0.1:${port}/.fourseven/overlay`, state, say }
}

async function following(config: Config, url: string, given = token) {
  const events: OverlayEvent[] = []
  const relay = await startRelay({
    config,
    variables: {},
    onRecord: () => {},
    overlay: { url, token: given, intervalMs: 20 },
    onOverlay: event => events.push(event),
  })
  onTestFinished(() => relay.stop({ drainMs: 0 }))
  return { relay, events, port: relay.addresses.get('door')?.port ?? 0 }
}

/** What comes of commands, one after the other. */
function after(config: Config, ...commands: readonly (Command | Report)[]): Overlay {
  const table = compile(config, {})
  return commands.reduce<Overlay>((overlay, command) => {
    const changed = change(table, overlay, command, Date.now())
    expect(changed).not.toHaveProperty('code')
    return (changed as Changed).overlay
  }, emptyOverlay)
}

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise(resolve => setTimeout(resolve, 5))
}

const version = (relay: Relay) => relay.overlay().version
const states = (relay: Relay) =>
  livePools(relay.plane, relay.overlay().overlay).flatMap(({ endpoints }) =>
    endpoints.map(({ id, state, why }) => [id, state, why]),
  )

test('a drain reaches the relay, whose open connections go on, and is taken back', async () => {
  const [one, two] = [await echo(), await echo()]
  const config = configOf([one.port, two.port])
  const { url, say } = await edge()
  const { relay, port, events } = await following(config, url)
  await until(() => relay.overlay().source?.version === 0)
  const sockets = [await client(port), await client(port)]
  for (const socket of sockets) await said(socket, 'before')
  say(after(config, { do: 'drain', endpoint: 'pool/pool-0' }))
  await until(() => version(relay) === 1)
  expect(states(relay)).toEqual([
    ['pool/pool-0', 'draining', 'drained by an operator (overlay)'],
    ['pool/pool-1', 'up', null],
  ])
  const before = one.sockets.length
  for (let at = 0; at < 4; at++) await said(await client(port), 'later')
  expect(one.sockets.length).toBe(before)
  for (const socket of sockets) await said(socket, 'still here')

  say(after(config, { do: 'drain', endpoint: 'pool/pool-0' }, { do: 'undrain', endpoint: 'pool/pool-0' }))
  await until(() => version(relay) === 2)
  expect(states(relay)[0]).toEqual(['pool/pool-0', 'up', null])
  expect(events.map(({ event, version }) => [event, version])).toEqual([
    ['overlay_changed', 0],
    ['overlay_changed', 1],
    ['overlay_changed', 2],
  ])
})

test('a drain by hand stays when the overlay takes its own back', async () => {
  const config = configOf([1, 2])
  const { url, say } = await edge()
  const { relay } = await following(config, url)
  say(after(config, { do: 'drain', endpoint: 'pool/pool-0' }))
  await until(() => version(relay) === 1)
  expect(relay.drain('pool/pool-0')).toBe(true)
  say(after(config, { do: 'drain', endpoint: 'pool/pool-0' }, { do: 'undrain', endpoint: 'pool/pool-0' }))
  await until(() => version(relay) === 2)
  expect(states(relay)[0]).toEqual(['pool/pool-0', 'draining', 'drained by an operator'])
  relay.undrain('pool/pool-0')
  expect(states(relay)[0]).toEqual(['pool/pool-0', 'up', null])
})

/** All of them to `stable` by the config. */
function rollout(stable: number, canary: number) {
  const split = { by: { from: 'address' }, pin: 'weight' }
  const config = { ...configOf([stable]), pools: [poolOf('stable', [stable]), poolOf('canary', [canary])] }
  const rule = ruleOf({
    variants: [
      { name: 'stable', pool: 'stable', weight: 100 },
      { name: 'canary', pool: 'canary', weight: 0 },
    ],
    split: { name: 'rollout', salt: '', epoch: 0, ...split },
  } as never)
  return { rule, whole: { ...config, routes: [{ ...config.routes[0]!, rules: [rule] }] } as Config }
}

test('weights of the overlay decide for the next connection, through a reload too', async () => {
  const [stable, canary] = [await echo(), await echo()]
  const { rule, whole } = rollout(stable.port, canary.port)
  const { url, say } = await edge()
  const { relay, port } = await following(whole, url)
  await said(await client(port), 'x')
  expect([stable.sockets.length, canary.sockets.length]).toEqual([1, 0])
  say(after(whole, { do: 'weight', split: 'rollout', weights: { stable: 0, canary: 1 } }))
  await until(() => version(relay) === 1)
  await said(await client(port), 'x')
  expect([stable.sockets.length, canary.sockets.length]).toEqual([1, 1])

  const { difference } = await relay.reload(whole, {})
  expect(difference.rules).toEqual({ added: [], removed: [], changed: [] })
  await said(await client(port), 'x')
  expect([stable.sockets.length, canary.sockets.length]).toEqual([1, 2])

  const heavier = { ...rule, variants: rule.variants.map((each, at) => ({ ...each, weight: [50, 0][at]! })) }
  await relay.reload({ ...whole, routes: [{ ...whole.routes[0]!, rules: [heavier] }] } as Config, {})
  expect(relay.overlay().retired).toEqual(['split rollout'])
  await said(await client(port), 'x')
  expect([stable.sockets.length, canary.sockets.length]).toEqual([2, 2])
})

test('weights that come while a certificate cannot be read are in force when it can', async () => {
  const [stable, canary] = [await echo(), await echo()]
  const pair = authority().sign('door.test')
  const { config } = parse({
    threads: 1,
    listeners: { door: { kind: 'tls', address: '127.0.0.1:0', certificates: [pair] } },
    pools: {
      stable: { endpoints: [`tcp://127.0.0.1:${stable.port}`] },
      canary: { endpoints: [`tcp://127.0.0.1:${canary.port}`] },
    },
    routes: [
      {
        name: 'app',
        listener: 'door',
        rules: [
          {
            variants: [
              { name: 'stable', pool: 'stable', weight: 1 },
              { name: 'canary', pool: 'canary', weight: 0 },
            ],
            split: { name: 'rollout', by: 'address' },
          },
        ],
      },
    ],
  } as never)
  const { url, say } = await edge()
  const problems: Problem[] = []
  const relay = await startRelay({
    config,
    variables: {},
    onRecord: () => {},
    overlay: { url, token, intervalMs: 20 },
    onProblem: problem => problems.push(problem),
  })
  onTestFinished(() => relay.stop({ drainMs: 0 }))
  const { port } = relay.addresses.get('door')!
  const go = async () => {
    const socket = connectTls({ host: '127.0.0.1', port, servername: 'door.test', rejectUnauthorized: false })
    onTestFinished(() => void socket.destroy())
    expect(await said(socket, 'x')).toBe('x')
  }
  const pem = readFileSync(pair.cert)
  writeFileSync(pair.cert, 'no certificate')
  say(after(config, { do: 'weight', split: 'rollout', weights: { stable: 0, canary: 1 } }))
  await until(() => problems.length > 0)
  expect(problems[0]).toMatchObject({ code: 'bad-certificate' })
  await go()
  expect([stable.sockets.length, canary.sockets.length]).toEqual([1, 0])
  writeFileSync(pair.cert, pem)
  await until(async () => {
    await go()
    return canary.sockets.length > 0
  })
}, 60_000)

test('each of several threads decides by the overlay', async () => {
  const [stable, canary] = [await echo(), await echo()]
  const whole: Config = { ...rollout(stable.port, canary.port).whole, threads: 2 }
  const { url, say } = await edge()
  const { relay, port, events } = await following(whole, url)
  expect(relay.threads.count).toBe(2)
  /** It is said when every thread has it. */
  const reached = (version: number) =>
    until(() => events.some(each => each.event === 'overlay_changed' && each.version === version))
  // Enough that the kernel gives each thread some of them.
  const go = () => Promise.all(Array.from({ length: 24 }, async () => said(await client(port), 'x')))
  const weigh = (stable: number, canary: number): Command => {
    return { do: 'weight', split: 'rollout', weights: { stable, canary } }
  }
  await go()
  expect([stable.sockets.length, canary.sockets.length]).toEqual([24, 0])
  say(after(whole, weigh(0, 1)))
  await reached(1)
  await go()
  expect([stable.sockets.length, canary.sockets.length]).toEqual([24, 24])
  say(after(whole, weigh(0, 1), weigh(1, 0)))
  await reached(2)
  await go()
  expect([stable.sockets.length, canary.sockets.length]).toEqual([48, 24])
})

test('what nobody has changed is asked for by its ETag and not sent again', async () => {
  const { url, state } = await edge()
  const { relay } = await following(configOf([1]), url)
  await until(() => state.asked.length > 5)
  expect(state.sent).toBe(1)
  expect(relay.overlay().source).toMatchObject({ version: 0, failing: null, readAt: expect.stringMatching(/Z$/) })
})

test('the last overlay serves on when the edge is gone, and is said to', async () => {
  const config = configOf([1, 2])
  const { url, say, state } = await edge()
  const { relay, events } = await following(config, url)
  say(after(config, { do: 'verdict', endpoint: 'pool/pool-1', is: 'down' }))
  await until(() => version(relay) === 1)
  expect(states(relay)[1]).toEqual(['pool/pool-1', 'down', 'a probe at the edge says down (overlay)'])
  state.status = 503
  await until(() => relay.overlay().source?.failing === 'status 503')
  expect(states(relay)[1]![1]).toBe('down')
  expect(events.at(-1)).toMatchObject({ event: 'overlay_lost', version: 1, why: 'status 503' })
  state.status = 200
  await until(() => relay.overlay().source?.failing === null)
  expect(events.at(-1)).toMatchObject({ event: 'overlay_read_again', version: 1, why: null })
})

test('a wrong token and what is no overlay change nothing, and are said', async () => {
  const config = configOf([1, 2])
  const { url, say } = await edge()
  const wrong = await following(config, url, 'another')
  await until(() => wrong.relay.overlay().source?.failing === 'status 401: the token is not theirs')
  const { relay } = await following(config, url)
  say(after(config, { do: 'drain', endpoint: 'pool/pool-0' }))
  await until(() => version(relay) === 1)
  say({ ...emptyOverlay, version: 2, drains: [{ endpoint: '' }] }, '"life.2"')
  await until(() => relay.overlay().source?.failing?.startsWith('what came is no overlay: drains[0]') === true)
  expect(version(relay)).toBe(1)
  expect(states(relay)[0]![1]).toBe('draining')
})

test('an older overlay, as a cache on the way may have it, is not taken', async () => {
  const config = configOf([1, 2])
  const { url, say, state } = await edge()
  const { relay } = await following(config, url)
  const drained = after(config, { do: 'drain', endpoint: 'pool/pool-0' })
  say({ ...drained, version: 7 })
  await until(() => version(relay) === 7)
  say({ ...emptyOverlay, version: 6 })
  const asked = state.asked.length
  await until(() => state.asked.length > asked + 4)
  expect(version(relay)).toBe(7)
  // An object made anew counts from the start.
  say({ ...emptyOverlay, version: 3 }, '"another.3"')
  await until(() => version(relay) === 3)
})

test('an object made anew that has counted as far as the one before says another thing', async () => {
  const config = configOf([1, 2])
  const { url, say } = await edge()
  const { relay } = await following(config, url)
  say(after(config, { do: 'drain', endpoint: 'pool/pool-0' }))
  await until(() => states(relay)[0]![1] === 'draining')
  say({ ...emptyOverlay, version: 1 }, '"another.1"')
  await until(() => states(relay)[0]![1] === 'up')
})

test('an ejection ends by its own time', async () => {
  const config = configOf([1, 2])
  const { url, say } = await edge()
  const { relay } = await following(config, url)
  say(after(config, { do: 'eject', endpoint: 'pool/pool-1', forMs: 6_000 }))
  await until(() => version(relay) === 1)
  expect(states(relay)[1]).toEqual(['pool/pool-1', 'ejected', 'ejected by an operator (overlay)'])
  await until(() => states(relay)[1]![1] === 'up')
})

test('Prometheus is told the version in force and how old the last good read is, and of a relay that is alone nothing', async () => {
  const { url, state, say } = await edge()
  const config = configOf([1, 2])
  state.status = 503
  const { relay } = await following(config, url)
  const metrics = openMetrics()
  metrics.watch(relay)
  const value = async (name: string) => {
    const found = new RegExp(`^fourseven_overlay_${name} (.*)$`, 'm').exec(await metrics.text())
    return found === null ? undefined : Number(found[1]!.replace('+Inf', 'Infinity'))
  }
  expect([await value('version'), await value('read_age_seconds')]).toEqual([0, Number.POSITIVE_INFINITY])
  say(after(config, { do: 'drain', endpoint: 'pool/pool-0' }))
  state.status = 200
  await until(() => version(relay) === 1)
  expect(await value('version')).toBe(1)
  expect(await value('read_age_seconds')).toBeLessThan(60)
  state.status = 503
  await until(() => relay.overlay().source?.failing != null)
  // The version stays, and its age grows.
  const before = (await value('read_age_seconds'))!
  await until(async () => (await value('read_age_seconds'))! > before + 0.1)
  expect(await value('version')).toBe(1)

  const alone = await startRelay({ config: configOf([1]), variables: {}, onRecord: () => {} })
  onTestFinished(() => alone.stop({ drainMs: 0 }))
  metrics.watch(alone)
  expect([await value('version'), await value('read_age_seconds')]).toEqual([undefined, undefined])
})

test('stored answers on disk are not given before the overlay is read, nor those that it purges', async () => {
  const { url, state, say } = await edge()
  const asked: (string | undefined)[] = []
  const endpoint = createServer((request, response) => {
    asked.push(request.url)
    response.writeHead(200, { 'cache-control': 'max-age=3600' }).end('stored')
  })
  endpoint.listen(0, '127.0.0.1')
  await once(endpoint, 'listening')
  onTestFinished(() => {
    endpoint.closeAllConnections()
    endpoint.close()
  })
  const { config } = parse({
    listeners: { door: { kind: 'http', address: '127.0.0.1:0' } },
    pools: { app: { endpoints: [`http://127.0.0.1:${(endpoint.address() as AddressInfo).port}`] } },
    routes: [{ name: 'app', pool: 'app', cache: true }],
    cacheStore: { disk: { path: folderWith({}), size: '64MiB' } },
  } as never)
  const get = async ({ addresses }: Relay, path: string) => {
    const port = addresses.get('door')!.port
    const { headers } = await askOnce(port, path, { method: 'GET', headers: { host: 'app.test' } })
    return String(headers['cache-status'])
  }
  const start = async (url: string) => {
    let isReady = false
    const relay = await startRelay({
      config,
      variables: {},
      onRecord: () => {},
      overlay: { url, token, intervalMs: 20 },
      onDisk: () => {
        isReady = true
      },
    })
    onTestFinished(() => relay.stop({ drainMs: 0 }))
    return { relay, isReady: () => isReady }
  }
  const first = await start(url)
  await expect.poll(first.isReady, { timeout: 20_000 }).toBe(true)
  for (const path of ['/gone', '/kept', '/read']) await get(first.relay, path)
  await first.relay.stop({ drainMs: 0 })

  state.status = 503
  const before = state.asked.length
  const second = await start(url)
  await expect.poll(() => state.asked.length, { timeout: 20_000 }).toBeGreaterThan(before)
  expect(await get(second.relay, '/read')).toMatch(/fwd=uri-miss/)
  expect(second.isReady()).toBe(false)
  const of = { by: 'url', url: 'http://app.test/gone' } as const
  say({ ...emptyOverlay, version: 1, bans: [{ of, at: Date.now() }] })
  state.status = 200
  await expect.poll(second.isReady, { timeout: 20_000 }).toBe(true)
  expect(await get(second.relay, '/kept')).toMatch(/; hit/)
  expect(await get(second.relay, '/gone')).toMatch(/fwd=uri-miss/)
})
