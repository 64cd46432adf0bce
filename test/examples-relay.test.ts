// The examples for the relay alone, with real servers behind them: Postgres, Redis, DNS, and TLS that passes through.

import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { connect, createServer, type TlsOptions } from 'node:tls'
import { promisify } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'
import { askTcp, type Place } from '../cli/ask.ts'
import { startPlanes } from '../cli/planes.ts'
import gameExample from '../examples/game/routes.ts'
import postgresExample from '../examples/postgres/routes.ts'
import redisExample from '../examples/redis/routes.ts'
import sniExample from '../examples/sni/routes.ts'
import dnsExample from '../examples/udp-dns/routes.ts'
import type { ConfigInput } from '../shared/config/config.ts'
import { parse } from '../shared/config/parse.ts'
import { readProxyHeader } from '../shared/wire/proxy-header.ts'
import { udpClient, udpEndpoint } from './relay/udp-lab.ts'
import { authority, type Pair, pemOf } from './support/certificates.ts'
import { needs, pathOf } from './support/needs.ts'
import { freePort, knot, postgres, redis } from './support/servers.ts'

needs(
  'postgres',
  'initdb',
  'psql',
)('postgres: one port writes at the primary, the other reads at the replica that answers', async () => {
  const [primary, replica, dead] = [await freePort(), await freePort(), await freePort()]
  await Promise.all([postgres(primary), postgres(replica)])
  const { listeners, records } = await running(postgresExample, {
    PRIMARY: `tcp://127.0.0.1:${primary}`,
    REPLICA_A: `tcp://127.0.0.1:${dead}`,
    REPLICA_B: `tcp://127.0.0.1:${replica}`,
  })
  const write = 'begin; create table t as select generate_series(1, 100000) as n; commit; select sum(n) from t'
  expect(await psql(listeners.get('write')!, write)).toContain('5000050000')
  // The server names its own port: behind the two doors are the two servers.
  expect(await psql(listeners.get('write')!, 'show port')).toBe(`${primary}\n`)
  for (let i = 0; i < 6; i++) expect(await psql(listeners.get('read')!, 'show port')).toBe(`${replica}\n`)
  await expect.poll(() => records.filter(({ reason }) => reason === 'done').length).toBe(8)
})

needs('redis-server')('redis: the standby serves while the first is away, pipelines and pub/sub pass', async () => {
  const [first, standby] = [await freePort(), await freePort()]
  const server = await redis(first)
  await redis(standby)
  const { listeners } = await running(redisExample, {
    FIRST: `tcp://127.0.0.1:${first}`,
    STANDBY: `tcp://127.0.0.1:${standby}`,
  })
  const cache = listeners.get('cache')!
  const say = async (...lines: readonly string[]) => {
    const bytes = Buffer.from(`${[...lines, 'QUIT'].join('\r\n')}\r\n`)
    return String(await askTcp(cache, bytes, 'half-close', AbortSignal.timeout(10_000)))
  }
  const pipeline = Array.from({ length: 1000 }, () => 'INCR visits')
  const counted = await say('SET where first', ...pipeline)
  expect(counted).toBe(`+OK\r\n${pipeline.map((_, i) => `:${i + 1}\r\n`).join('')}+OK\r\n`)
  expect(await say('SUBSCRIBE news')).toContain('$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n')
  expect(await say('GET where')).toBe('$5\r\nfirst\r\n+OK\r\n')

  server.kill('SIGKILL')
  await once(server, 'exit')
  expect(await say('GET where')).toBe('$-1\r\n+OK\r\n')
})

needs('openssl')(
  'sni: name, protocol and address choose, and clients see the certificate of the endpoint',
  async () => {
    const { ca, sign } = authority()
    const shop = sign('shop.example.com')
    const variables = {
      SHOP_A: await speaking('shop', shop),
      SHOP_B: await speaking('shop', shop),
      BLOGS: await speaking('blogs', sign('*.blog.example.com')),
      GRPC: await speaking('grpc', shop, { ALPNProtocols: ['h2'] }),
    }
    const trusted = readFileSync(ca, 'utf8')
    const { listeners, records } = await running(sniExample, variables)
    const ask = async (servername: string, ALPNProtocols: string[] = [], door = listeners.get('door')!) => {
      const { host, port } = door
      const socket = connect({ host, port, servername, ca: trusted, ALPNProtocols })
      onTestFinished(() => void socket.destroy())
      return String((await once(socket, 'data'))[0])
    }
    expect(await ask('shop.example.com')).toBe('shop')
    expect(await ask('anna.blog.example.com')).toBe('blogs')
    // h2 counts from inside only, and this client comes from loopback.
    expect(await ask('shop.example.com', ['h2'])).toBe('shop')
    for (const stranger of ['blog.example.com', 'other.example.com', 'shop.example.com.evil.test']) {
      await expect(ask(stranger), stranger).rejects.toThrow(/unrecognized.name/)
    }
    await expect.poll(() => records.filter(({ reason }) => reason === 'destination_not_found').length).toBe(3)

    const written = JSON.stringify(sniExample)
    const fromInside = JSON.parse(written.replace('10.0.0.0/8', '127.0.0.0/8')) as ConfigInput
    const { listeners: inside } = await running(fromInside, variables)
    expect(await ask('shop.example.com', ['h2'], inside.get('door')!)).toBe('grpc')
    expect(await ask('shop.example.com', ['http/1.1'], inside.get('door')!)).toBe('shop')
  },
)

/** The example with its listeners on free ports. */
async function running(config: ConfigInput, variables: Readonly<Record<string, string>>) {
  const records: Readonly<Record<string, unknown>>[] = []
  const planes = await startPlanes(parse(config, { variables }).config, {
    variables,
    edge: { host: '127.0.0.1', port: 0 },
    ports: 'free',
    onRecord: record => records.push(record as Readonly<Record<string, unknown>>),
  })
  onTestFinished(planes.stop)
  return { listeners: planes.listeners, records }
}

/** What one query answers, without a head. */
async function psql({ host, port }: Place, query: string): Promise<string> {
  const args = ['-X', '-A', '-t', '-v', 'ON_ERROR_STOP=1', '-h', host, '-p', String(port), '-U', 'postgres']
  const { stdout } = await promisify(execFile)(pathOf('psql')!, [...args, '-c', query], { timeout: 20_000 })
  return stdout
}

/** `tcp://127.0.0.1:40001`, which speaks TLS and says its name to whoever comes. */
async function speaking(name: string, pair: Pair, options: TlsOptions = {}): Promise<string> {
  const server = createServer({ ...pemOf(pair), ...options }, socket => {
    socket.on('error', () => {})
    socket.end(name)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  return `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`
}

needs('knotd', 'dig')('udp-dns: questions are spread over both servers, long answers come by TCP', async () => {
  const names = Array.from({ length: 600 }, (_, at) => `many A 10.1.${at >> 8}.${at & 255}`)
  const zone = ['@ SOA ns hostmaster 1 3600 600 86400 60', '@ NS ns', 'ns A 127.0.0.1', 'www A 10.0.0.7', ...names]
  const [a, b] = [await knot('example', zone), await knot('example', zone)]
  const { listeners, records } = await running(dnsExample, { A: `127.0.0.1:${a}`, B: `127.0.0.1:${b}` })
  const ask = async (door: Place, ...args: readonly string[]) => {
    const way = [`@${door.host}`, '-p', String(door.port), '+tries=3', '+time=5']
    return (await promisify(execFile)(pathOf('dig')!, [...way, ...args])).stdout
  }
  for (let i = 0; i < 6; i++) expect(await ask(listeners.get('dns')!, '+short', 'www.example')).toBe('10.0.0.7\n')
  await expect.poll(() => records.filter(({ reason }) => reason === 'done').length).toBe(6)
  expect(new Set(records.map(({ endpoint }) => endpoint)).size).toBe(2)
  expect(await ask(listeners.get('dns')!, '+ignore', '+noall', '+comments', 'many.example')).toContain('tc')
  const long = await ask(listeners.get('dns-tcp')!, '+tcp', '+short', 'many.example')
  expect(long.trim().split('\n')).toHaveLength(600)
})

test('game: players are spread, keep their arena, and their address is told once', async () => {
  const arena = (name: string) =>
    udpEndpoint(bytes => (bytes.includes('status') ? 'up and running' : `${name} ${bytes.length}`))
  const [one, two] = [await arena('one'), await arena('two')]
  const { listeners } = await running(gameExample, {
    ARENA_1: `udp://127.0.0.1:${one.port}`,
    ARENA_2: `udp://127.0.0.1:${two.port}`,
  })
  const { port } = listeners.get('game')!
  const players = await Promise.all(Array.from({ length: 20 }, () => udpClient(port)))
  const arenas: string[] = []
  for (const player of players) arenas.push((await player.ask('join')).split(' ')[0]!)
  expect(arenas.filter(name => name === 'one').length).toBeGreaterThan(5)
  expect(arenas.filter(name => name === 'two').length).toBeGreaterThan(5)
  for (const [at, player] of players.entries()) expect(await player.ask('move')).toBe(`${arenas[at]} 4`)
  const told = [...one.heard, ...two.heard].flatMap(({ bytes }) => {
    const read = readProxyHeader(bytes)
    return read !== 'more' && 'header' in read && read.header.says.of === 'inet' ? [read.header.says.source.port] : []
  })
  expect(told.sort()).toEqual(players.map(each => each.port).sort())
})
