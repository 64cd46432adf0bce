// What an operator does, with the real command against the edge and relay of a real `fourseven dev`.

import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { askHttp } from '../../cli/ask.ts'
import { fourseven, type Running, startFourseven } from './command.ts'

const token = 'the-token-of-this-test'
const server = createServer((request, response) => {
  response.writeHead(200, { 'cache-control': 'max-age=600', 'cache-tag': 'news' }).end(`${request.url}`)
})
let dev: Running
let edge = ''
let folder = ''

beforeAll(async () => {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const at = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const config = {
    listeners: { web: { kind: 'edge' }, door: { kind: 'tcp', address: '127.0.0.1:0' } },
    pools: {
      stable: {
        endpoints: [
          { name: 'a', address: at },
          { name: 'b', address: at },
        ],
      },
      canary: { endpoints: [{ name: 'c', address: at }] },
      test: { endpoints: [{ name: 'd', address: at }] },
      db: { endpoints: [{ name: 'one', address: at.replace('http', 'tcp') }] },
    },
    routes: [
      { name: 'news', listener: 'web', match: { path: '/news' }, pool: 'stable', cache: true },
      {
        name: 'ab',
        listener: 'web',
        match: { path: '/ab' },
        variants: [
          { name: 'old', pool: 'stable', weight: 1 },
          { name: 'new', pool: 'test', weight: 1 },
        ],
        split: { name: 'test', pin: 'first' },
      },
      {
        name: 'app',
        listener: 'web',
        variants: [
          { name: 'stable', pool: 'stable', weight: 95 },
          { name: 'canary', pool: 'canary', weight: 5 },
        ],
        split: { name: 'rollout' },
      },
      { name: 'db', listener: 'door', pool: 'db' },
    ],
  }
  folder = mkdtempSync(join(tmpdir(), 'fourseven-'))
  writeFileSync(join(folder, 'routes.json'), JSON.stringify(config))
  dev = startFourseven(['dev', `${folder}/routes.json`, '--edge', '127.0.0.1:0', '--quiet', '--json'], {
    env: { FOURSEVEN_OPERATOR_TOKEN: token },
  })
  const { listening } = JSON.parse(await dev.line(line => line.startsWith('{"listening"')))
  edge = listening.find((row: { kind: string }) => row.kind === 'edge').address
}, 120_000)

afterAll(async () => {
  dev?.child.kill('SIGTERM')
  await dev?.ended
  server.closeAllConnections()
  server.close()
  rmSync(folder, { recursive: true, force: true })
})

const run = (...args: readonly string[]) =>
  fourseven([...args, '--edge', edge], { env: { FOURSEVEN_OPERATOR_TOKEN: token } })
const json = async (...args: readonly string[]) => {
  const { code, stdout, stderr } = await run(...args, '--json')
  expect(code, stderr).toBe(0)
  return JSON.parse(stdout)
}
const get = async (path: string) => {
  const { hostname, port } = new URL(edge)
  return askHttp({ host: hostname, port: Number(port) }, { host: 'app.test', path }, AbortSignal.timeout(10_000))
}

test('weight says what it moves against the least, and a dry run the same without a change', async () => {
  const dry = await run('weight', 'rollout', 'stable=75', 'canary=25', '--dry-run')
  expect(dry).toMatchObject({ code: 0, stderr: '' })
  const moves = 'moves 20 % of users (13107 of 65536 slots): the least that any deal could'
  expect(dry.stdout).toContain(moves)
  expect((await json('status')).version).toBe(0)

  const real = await run('weight', 'rollout', 'stable=75', 'canary=25', '--author', 'anna', '--reason', 'looks good')
  expect(real).toMatchObject({ code: 0, stderr: '' })
  expect(real.stdout).toContain('version 1: weight rollout stable=75 canary=25; everywhere within 5 s')
  expect(real.stdout).toContain(moves)
  expect(real.stdout).toContain('nobody is pinned: users follow the weights')
  const { splits } = await json('status')
  expect(splits.find(({ split }: { split: string }) => split === 'rollout').variants).toEqual([
    { name: 'stable', configured: 95, weight: 75, slots: 49152 },
    { name: 'canary', configured: 5, weight: 25, slots: 16384 },
  ])
}, 120_000)

test('weight of a test says who stays pinned, and --release that nobody does', async () => {
  const kept = await run('weight', 'test', 'old=0', 'new=1')
  expect(kept.stdout).toContain('pinned: whoever has a variant of epoch 0 keeps it')
  const released = await run('weight', 'test', 'old=0', 'new=1', '--release')
  expect(released.stdout).toContain('released: whoever kept a variant is dealt anew')
  const { splits, version } = await json('status')
  expect(splits.find(({ split }: { split: string }) => split === 'test')).toMatchObject({
    pin: 'first',
    epoch: version,
  })
}, 120_000)

test('status shows what is not well, who did it and why; undrain takes it back', async () => {
  const drained = await run('drain', 'stable/a', '--author', 'anna', '--reason', 'new disk')
  expect(drained).toMatchObject({ code: 0, stdout: expect.stringContaining('drain stable/a; everywhere within 5 s') })
  for (let at = 0; at < 4; at++) await get('/x')
  const { code, stdout } = await run('status')
  expect(code).toBe(0)
  expect(stdout).toContain('1 of 4 endpoints not up')
  expect(stdout).toMatch(/draining\s*│ stable\/a\s*│ 1\s*│ \S.*│ drained since .*Z\s*│ anna: new disk/)
  expect(stdout).toMatch(/rollout\s*│ stable\s*│ 75 \(config: 95\)/)
  expect(stdout).toContain('last changes:')
  const seen = await json('status')
  expect(seen.counted.endpoints.map(({ endpoint }: { endpoint: string }) => endpoint)).toContain('stable/a')
  await json('undrain', 'stable/a')
  const { pools } = await json('status')
  expect(pools[0].endpoints[0]).toEqual({ endpoint: 'stable/a', state: 'up', why: null, weight: 1, priority: 0 })
}, 120_000)

test('eject takes an endpoint out for a while, and --end ends that', async () => {
  await json('eject', 'canary/c', '--for', '5m')
  const ejected = (await json('status')).pools.flatMap((pool: { endpoints: object[] }) => pool.endpoints)
  expect(ejected).toContainEqual(expect.objectContaining({ endpoint: 'canary/c', state: 'ejected' }))
  await json('eject', 'canary/c', '--end')
  const back = (await json('status')).pools.flatMap((pool: { endpoints: object[] }) => pool.endpoints)
  expect(back).toContainEqual(expect.objectContaining({ endpoint: 'canary/c', state: 'up' }))
}, 120_000)

test('history tells who and why, newest first, and undo takes one back', async () => {
  await json('drain', 'stable/b', '--author', 'bert', '--reason', 'by mistake')
  const { changes } = await json('history', '--most', '1')
  expect(changes).toMatchObject([{ author: 'bert', reason: 'by mistake', command: { do: 'drain' } }])
  const undone = await run('undo', String(changes[0].version))
  expect(undone.stdout).toContain(`version ${changes[0].version} was taken back`)
  const text = (await run('history')).stdout
  expect(text).toContain('drain stable/b')
  expect(text).toContain('weight rollout stable=75 canary=25')
  const again = await run('undo', String(changes[0].version))
  expect(again).toMatchObject({ code: 1, stderr: expect.stringContaining('was undone by version') })
}, 120_000)

test('what makes no sense is refused with what would be right', async () => {
  const near = await run('drain', 'stabel/a')
  expect(near).toMatchObject({ code: 1, stderr: expect.stringContaining('Did you mean "stable/a"?') })
  const missing = await run('weight', 'rollout', 'stable=1')
  expect(missing).toMatchObject({ code: 1, stderr: expect.stringContaining('"canary" has no weight') })
  expect(await run('weight', 'rollout', 'stable')).toMatchObject({ code: 2 })
  const conflict = await run('undrain', 'stable/a', '--if-version', '0')
  expect(conflict).toMatchObject({ code: 1, stderr: expect.stringContaining('holds, not 0') })
  const stranger = await fourseven(['status', '--edge', edge], { env: { FOURSEVEN_OPERATOR_TOKEN: 'another' } })
  expect(stranger).toMatchObject({ code: 3, stderr: expect.stringContaining('does not take the token') })
  const nobody = await fourseven(['status', '--edge', 'http://127.0.0.1:1'], { env: { FOURSEVEN_OPERATOR_TOKEN: 'x' } })
  expect(nobody).toMatchObject({ code: 3, stderr: expect.stringContaining('no edge answers at http://127.0.0.1:1') })
  expect(await fourseven(['status', '--edge', 'http://www.example.com'])).toMatchObject({ code: 2 })
}, 120_000)

test('a relay follows the edge, and its own status says so', async () => {
  const config = {
    listeners: { door: { kind: 'tcp', address: '127.0.0.1:0' } },
    pools: {
      stable: { endpoints: [{ name: 'a', address: 'tcp://127.0.0.1:1' }] },
      db: { endpoints: ['tcp://127.0.0.1:2'] },
    },
    routes: [
      {
        name: 'db',
        listener: 'door',
        variants: [
          { name: 'x', pool: 'db', weight: 1 },
          { name: 'y', pool: 'stable', weight: 1 },
        ],
      },
    ],
  }
  writeFileSync(join(folder, 'relay.json'), JSON.stringify(config))
  const place = `127.0.0.1:${await freePort()}`
  const args = ['relay', `${folder}/relay.json`, '--operator', place, '--overlay', edge, '--json', '--drain-delay', '0']
  const relay = startFourseven(args, { env: { FOURSEVEN_OPERATOR_TOKEN: token } })
  try {
    await relay.line(line => line.includes('overlay_changed'))
    const env = { FOURSEVEN_OPERATOR_TOKEN: token }
    // Made for the edge's endpoint of that name, which has another address: here it is retired.
    await json('drain', 'stable/a')
    await relay.line(line => line.includes('"retired":["drain stable/a"]'))
    const drained = await fourseven(['drain', 'stable/a', '--operator', place], { env })
    expect(drained).toMatchObject({ code: 0, stdout: expect.stringContaining(`at the relay ${place} alone`) })
    const { code, stdout } = await fourseven(['status', '--operator', place], { env })
    expect(code).toBe(0)
    expect(stdout).toContain(`of ${edge}/.fourseven/overlay`)
    expect(stdout).toMatch(/draining\s*│ stable\/a\s*│ 0\s*│ drained by an operator/)
    expect(stdout).toContain('retired: drain stable/a')
    expect(await fourseven(['purge', 'tag', 'news', '--operator', place], { env })).toMatchObject({ code: 0 })
    expect(await fourseven(['undrain', 'nobody/x', '--operator', place], { env })).toMatchObject({ code: 1 })
  } finally {
    relay.child.kill('SIGTERM')
    await relay.ended
    await json('undrain', 'stable/a')
  }
}, 90_000)

test('what only a relay has is changed through the edge by --config, and the relay follows', async () => {
  const env = { FOURSEVEN_OPERATOR_TOKEN: token, MAIN: 'tcp://127.0.0.1:1' }
  const config = {
    listeners: { door: { kind: 'tcp', address: '127.0.0.1:0' } },
    pools: {
      main: { endpoints: [{ name: 'one', address: `\${MAIN}` }] },
      copy: { endpoints: [{ name: 'two', address: 'tcp://127.0.0.1:2' }] },
      stable: { endpoints: [{ name: 'a', address: 'tcp://127.0.0.1:3' }] },
    },
    routes: [
      {
        name: 'sql',
        listener: 'door',
        variants: [
          { name: 'main', pool: 'main', weight: 1 },
          { name: 'copy', pool: 'copy', weight: 1 },
          { name: 'other', pool: 'stable', weight: 0 },
        ],
        split: { name: 'sql' },
      },
    ],
  }
  const file = join(folder, 'sql.json')
  writeFileSync(file, JSON.stringify(config))
  const place = `127.0.0.1:${await freePort()}`
  const args = ['relay', file, '--operator', place, '--overlay', edge, '--json', '--drain-delay', '0']
  const relay = startFourseven(args, { env })
  onTestFinished(() => void relay.child.kill('SIGKILL'))
  const at = (...words: readonly string[]) =>
    fourseven([...words, '--edge', edge, '--config', file], { env: { FOURSEVEN_OPERATOR_TOKEN: token } })
  const withMain = ['--var', 'MAIN=tcp://127.0.0.1:1']
  const version = async () => (await json('status')).version as number
  /** The relay has it in force. */
  const reached = (at: number) => relay.line(line => line.includes('overlay_changed') && JSON.parse(line).version >= at)
  const relayStatus = async () => (await fourseven(['status', '--operator', place], { env })).stdout
  try {
    await relay.line(line => line.includes('overlay_changed'))
    // Without its config the edge knows nothing of it, and says what would help.
    expect(await run('drain', 'main/one')).toMatchObject({ code: 1, stderr: expect.stringContaining('--config') })

    const drained = await at('drain', 'main/one', ...withMain)
    expect(drained).toMatchObject({ code: 0, stdout: expect.stringContaining('drain main/one; everywhere within 5 s') })
    const { event: _, retired } = JSON.parse(await reached(await version()))
    expect(retired).toEqual([])
    expect(await relayStatus()).toMatch(/draining\s*│ main\/one/)
    // Taking back needs only the name.
    expect(await run('undrain', 'main/one')).toMatchObject({ code: 0 })
    expect(await at('eject', 'copy/two', '--for', '1h', ...withMain)).toMatchObject({ code: 0 })
    await reached(await version())
    const dry = await at('weight', 'sql', 'main=1', 'copy=3', 'other=0', '--dry-run', ...withMain)
    expect(dry).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('moves 25 % of users (16384 of 65536 slots)'),
    })
    const weighed = await at('weight', 'sql', 'main=1', 'copy=3', 'other=0', ...withMain)
    expect(weighed.stdout).toContain('moves 25 % of users (16384 of 65536 slots)')
    const followed = await reached(await version())
    const seen = await relayStatus()
    expect(seen).toMatch(/ejected\s*│ copy\/two/)
    expect(seen).toMatch(/sql\s*│ main\s*│ 1\s*│ 25 %\s*│ follow the weights/)
    expect(seen).toMatch(/│ copy\s*│ 3 \(config: 1\)\s*│ 75 %/)
    expect(JSON.parse(followed)).toMatchObject({
      retired: [],
      ignored: expect.not.arrayContaining(['split sql']),
    })

    expect(await at('drain', 'main/oen', ...withMain)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('Did you mean "main/one"?'),
    })
    expect(await at('weight', 'spl', 'main=1', ...withMain)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('Did you mean "sql"?'),
    })
    // The edge has one of that name with another address: an entry can be made for one of them only.
    expect(await at('drain', 'stable/a', ...withMain)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('with another address'),
    })
    expect(await at('drain', 'main/one')).toMatchObject({ code: 1, stderr: expect.stringContaining('MAIN') })
    expect(await at('drain', 'main/one', '--operator', place)).toMatchObject({ code: 2 })
  } finally {
    relay.child.kill('SIGTERM')
    await relay.ended
    await run('eject', 'copy/two', '--end')
  }
}, 300_000)

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address() as AddressInfo
  await new Promise(resolve => probe.close(resolve))
  return port
}
