import { once } from 'node:events'
import { readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { descriptorProblem, portProblem } from '../../cli/descriptors.ts'
import { threadsProblem } from '../../cli/threads.ts'
import { takeSockets } from '../../relay/handover.ts'
import { parse } from '../../shared/config/parse.ts'
import { udpClient, udpNamed } from '../relay/udp-lab.ts'
import { folderWith, fourseven, startFourseven } from './command.ts'

// Each starts the command several times, a second or two each where the machine is busy.
vi.setConfig({ testTimeout: 120_000 })

interface Started {
  readonly file: string
  readonly port: number
  readonly operator: number
  readonly stop: (signal?: NodeJS.Signals) => void
  readonly ended: Promise<{ code: number | null; stdout: string; stderr: string }>
  readonly line: (wanted: (event: Record<string, unknown>) => boolean) => Promise<Record<string, unknown>>
}

async function startRelay(file: string, ...args: string[]): Promise<Started> {
  const { child, ended, line } = startFourseven(['relay', file, '--json', '--operator', '127.0.0.1:0', ...args])
  onTestFinished(() => void child.kill('SIGKILL'))
  const event = async (wanted: (event: Record<string, unknown>) => boolean) =>
    JSON.parse(await line(text => wanted(JSON.parse(text)))) as Record<string, unknown>
  const { port } = await event(({ event }) => event === 'listening')
  const { port: operator } = await event(({ event }) => event === 'operator_listening')
  const stop = (signal: NodeJS.Signals = 'SIGTERM') => void child.kill(signal)
  return { file, port: port as number, operator: operator as number, stop, ended, line: event }
}

/** @param path of a second listener, on a unix socket */
function configText(endpoints: readonly number[], { port = 0, path }: { port?: number; path?: string } = {}): string {
  const file = { kind: 'tcp', address: `unix:${path}`, socketMode: '0640', maxConnections: 1000 }
  return JSON.stringify({
    listeners: {
      db: { kind: 'tcp', address: `127.0.0.1:${port}`, maxConnections: 1000 },
      ...(path === undefined ? {} : { file }),
    },
    pools: { db: { endpoints: endpoints.map(each => `tcp://127.0.0.1:${each}`) } },
    routes: [{ name: 'db', listener: path === undefined ? 'db' : ['db', 'file'], pool: 'db' }],
  })
}

type Place = number | { readonly port: number } | { readonly path: string }

function connectTo(place: Place): Socket {
  return typeof place === 'number' ? connect(place, '127.0.0.1') : connect({ host: '127.0.0.1', ...place })
}

async function echo(): Promise<number> {
  const sockets = new Set<Socket>()
  const server = createServer({ allowHalfOpen: true }, socket => {
    sockets.add(socket.on('error', () => {}))
    socket.pipe(socket)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return (server.address() as { port: number }).port
}

/** What comes back for `word`, or the code of the error. */
async function ask(place: Place, word = 'hello'): Promise<string> {
  const socket = connectTo(place)
  try {
    socket.end(word)
    let text = ''
    for await (const chunk of socket) text += chunk
    return text
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error)
  }
}

async function hold(place: Place): Promise<Socket> {
  const socket = connectTo(place).on('error', () => {})
  onTestFinished(() => void socket.destroy())
  socket.write('x')
  await once(socket, 'data')
  return socket
}

async function status(operator: number, path: string): Promise<number> {
  return (await fetch(`http://127.0.0.1:${operator}${path}`)).status
}

describe('a relay as a program', () => {
  test('writes a record for each connection, and ends with 0 on SIGTERM', async () => {
    const relay = await startRelay(join(folderWith({ 'r.json': configText([await echo()]) }), 'r.json'))
    expect(await ask(relay.port)).toBe('hello')
    const record = await relay.line(({ bytesIn }) => bytesIn !== undefined)
    expect(record).toMatchObject({ listener: 'db', route: 'db', reason: 'done', bytesIn: 5, bytesOut: 5 })
    relay.stop()
    expect((await relay.ended).code).toBe(0)
  })

  test('after SIGTERM says that it is not ready, accepts for the drain delay, then refuses, drains and ends', async () => {
    const file = join(folderWith({ 'r.json': configText([await echo()]) }), 'r.json')
    // Long enough for the questions below on a machine that is busy with other things.
    const relay = await startRelay(file, '--drain-delay', '4s')
    const held = await hold(relay.port)
    expect(await status(relay.operator, '/readyz')).toBe(200)
    relay.stop()
    await relay.line(({ event }) => event === 'not_ready')
    expect(await status(relay.operator, '/readyz')).toBe(503)
    expect(await status(relay.operator, '/healthz')).toBe(200)
    expect(await ask(relay.port)).toBe('hello')
    await relay.line(({ event }) => event === 'stopped_accepting')
    expect(await ask(relay.port)).toBe('ECONNREFUSED')
    held.write('still here')
    expect(String((await once(held, 'data'))[0])).toBe('still here')
    held.end()
    const { code, stdout } = await relay.ended
    expect(code).toBe(0)
    expect(stdout.match(/"reason":"done"/g)).toHaveLength(2)
  })

  test('ends at once with 1 on a second SIGTERM', async () => {
    const relay = await startRelay(
      join(folderWith({ 'r.json': configText([await echo()]) }), 'r.json'),
      '--drain-delay',
      '0',
    )
    await hold(relay.port)
    relay.stop()
    await relay.line(({ event }) => event === 'stopped_accepting')
    relay.stop()
    expect((await relay.ended).code).toBe(1)
  })

  test('takes YAML, a module with imports, and variables', async () => {
    const port = await echo()
    const folder = folderWith({
      'ports.ts': `export const port: number = 0\n`,
      'r.ts': `import { port } from './ports.ts'
export default { listeners: { db: { kind: 'tcp', address: \`127.0.0.1:\${port}\`, maxConnections: 100 } },
  pools: { db: { endpoints: ['tcp://127.0.0.1:\${END}'] } }, routes: [{ name: 'db', listener: 'db', pool: 'db' }] }\n`,
    })
    const relay = await startRelay(join(folder, 'r.ts'), '--var', `END=${port}`)
    expect(await ask(relay.port)).toBe('hello')
  })

  test('says what is wrong, with an exit code: 1 the config, 2 the arguments, 3 the machine', async () => {
    const folder = folderWith({
      'bad.json': configText([]),
      'unset.json': configText([1]).replace('127.0.0.1:1"', '$' + '{NOBODY}:1"'),
      'edge.json':
        '{ "listeners": { "e": { "kind": "edge" } }, "pools": {}, "routes": [{ "name": "a", "reply": { "status": 200 } }] }',
    })
    const run = (...args: string[]) => fourseven(['relay', ...args], { cwd: folder })
    const bad = await run('bad.json')
    expect([bad.code, bad.stderr, bad.stdout]).toEqual([1, expect.stringContaining('mend:'), ''])
    expect(await run('unset.json')).toMatchObject({ code: 1, stderr: expect.stringContaining('NOBODY') })
    expect(await run('edge.json')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('no listener for the relay'),
    })
    expect(await run('none.json')).toMatchObject({ code: 1, stderr: expect.stringContaining('there is no such file') })
    expect(await run('bad.json', '--config', 'bad.json')).toMatchObject({ code: 2 })
    expect(await run('bad.json', '--operator', 'here')).toMatchObject({ code: 2 })
    const taken = await echo()
    writeFileSync(join(folder, 'taken.json'), configText([1], { port: taken }))
    expect(await run('taken.json')).toMatchObject({ code: 3, stderr: expect.stringContaining(`port ${taken}`) })
    writeFileSync(join(folder, 'good.json'), configText([1]))
    const operator = await run('good.json', '--operator', `127.0.0.1:${taken}`)
    expect(operator).toMatchObject({ code: 3, stderr: expect.stringContaining("operator's port") })
  })

  test('warns when there are fewer descriptors than the connections it may have need', () => {
    const { config } = parse(JSON.parse(configText([1])))
    expect(descriptorProblem(config, 2129)).toBeUndefined()
    expect(descriptorProblem(config, 2128)).toMatchObject({
      code: 'too-few-descriptors',
      severity: 'warning',
      mend: expect.stringContaining('ulimit -n 2129'),
    })
  })

  test('warns when there are more listening threads than cores', () => {
    const { config } = parse({ ...JSON.parse(configText([1])), threads: 4 })
    expect(threadsProblem(config, 4)).toBeUndefined()
    expect(threadsProblem({ ...config, threads: 'auto' }, 1)).toBeUndefined()
    expect(threadsProblem(config, 2)).toMatchObject({ code: 'more-threads-than-cores', severity: 'warning' })
  })

  test('warns when there are fewer local ports than the sessions it may have need', () => {
    const udp = (maxSessions: number, port: number) => ({ kind: 'udp', address: `127.0.0.1:${port}`, maxSessions })
    const { config } = parse({
      listeners: { one: udp(20_000, 5300), two: udp(8_000, 5301) },
      pools: { pool: { endpoints: ['udp://127.0.0.1:1'] } },
      routes: [{ name: 'route', listener: ['one', 'two'], pool: 'pool' }],
    })
    expect(portProblem(config, 28_000)).toBeUndefined()
    expect(portProblem(config, 27_999)).toMatchObject({ code: 'too-few-ports', severity: 'warning' })
    expect(descriptorProblem(config, 28_130)).toBeUndefined()
    expect(descriptorProblem(config, 28_129)).toMatchObject({
      message: expect.stringContaining('28000 sessions need 28130'),
      mend: expect.stringContaining('lower maxSessions.'),
    })
  })
})

describe('a dry run', () => {
  test('says how many sessions of which rule and endpoint would move, and as JSON which ones', async () => {
    const [a, b] = [await udpNamed('a'), await udpNamed('b')]
    const config = (ports: readonly number[]) =>
      JSON.stringify({
        threads: 1,
        listeners: { door: { kind: 'udp', address: '127.0.0.1:0' } },
        pools: { pool: { endpoints: ports.map(port => ({ name: `e${port}`, address: `udp://127.0.0.1:${port}` })) } },
        routes: [{ name: 'route', listener: 'door', pool: 'pool' }],
      })
    const folder = folderWith({ 'r.json': config([a.port, b.port]), 'next.json': config([a.port]) })
    const { port, operator } = await startRelay(join(folder, 'r.json'))
    const clients = await Promise.all(Array.from({ length: 6 }, () => udpClient(port)))
    const before = await Promise.all(clients.map(client => client.ask('1')))
    const place = `127.0.0.1:${operator}`
    const dry = await fourseven(['reload', '--dry-run', join(folder, 'next.json'), '--operator', place])
    expect(dry.stdout).toContain(`3 sessions of route/0 on e${b.port} move with the next datagram`)
    const json = await fourseven(['reload', '--dry-run', join(folder, 'next.json'), '--operator', place, '--json'])
    const { moving, drained } = JSON.parse(json.stdout) as {
      moving: { sessions: number; ids: number[] }[]
      drained: number
    }
    expect([moving.length, moving[0]!.sessions, moving[0]!.ids.length, drained]).toEqual([1, 3, 3, 0])
    expect(await Promise.all(clients.map(client => client.ask('2')))).toEqual(
      before.map(text => text.replace('1', '2')),
    )
  })
})

describe('a reload', () => {
  test.each(['in place', 'by another file', 'by SIGHUP'])('follows the file: %s', async how => {
    const [one, two] = [await echo(), await echo()]
    const folder = folderWith({ 'r.json': configText([one]) })
    const file = join(folder, 'r.json')
    const relay = await startRelay(file, '--drain-timeout', '100ms', ...(how === 'by SIGHUP' ? ['--no-watch'] : []))
    const held = await hold(relay.port)
    if (how === 'by another file') {
      writeFileSync(join(folder, 'new'), configText([two]))
      renameSync(join(folder, 'new'), file)
    } else writeFileSync(file, configText([two]))
    if (how === 'by SIGHUP') relay.stop('SIGHUP')
    expect(await relay.line(({ event }) => event === 'reloaded')).toMatchObject({
      drained: 1,
      difference: { endpoints: { added: [`db/tcp://127.0.0.1:${two}`], removed: [`db/tcp://127.0.0.1:${one}`] } },
    })
    await new Promise(resolve => held.once('close', resolve))
    expect(await ask(relay.port)).toBe('hello')
    expect(await relay.line(({ reason }) => reason === 'drained')).toMatchObject({ endpoint: `tcp://127.0.0.1:${one}` })
  })

  test('of a module sees what it imports anew', async () => {
    const [one, two] = [await echo(), await echo()]
    const folder = folderWith({
      'end.ts': `export const end = ${one}\n`,
      'r.ts': `import { end } from './end.ts'\nconst config = ${configText([0])}
config.pools.db.endpoints = [\`tcp://127.0.0.1:\${end}\`]\nexport default config\n`,
    })
    const relay = await startRelay(join(folder, 'r.ts'))
    writeFileSync(join(folder, 'end.ts'), `export const end = ${two}\n`)
    const { difference } = await relay.line(({ event }) => event === 'reloaded')
    expect(difference).toMatchObject({ endpoints: { added: [`db/tcp://127.0.0.1:${two}`] } })
  })

  test('that fails leaves the table before, and says all that is wrong in one line', async () => {
    const port = await echo()
    const folder = folderWith({ 'r.json': configText([port]) })
    const file = join(folder, 'r.json')
    const relay = await startRelay(file)
    // At one stroke: half of a file would be another failure, on a machine so busy that it stays half for long.
    writeFileSync(join(folder, 'new'), configText([port]).replace('"pool":"db"', '"pool":"bd","x":1'))
    renameSync(join(folder, 'new'), file)
    const { problems } = await relay.line(({ event }) => event === 'reload_failed')
    expect((problems as { code: string }[]).map(({ code }) => code).sort()).toEqual(
      expect.arrayContaining(['unknown-key', 'unknown-pool']),
    )
    expect(await ask(relay.port)).toBe('hello')
    const metrics = await (await fetch(`http://127.0.0.1:${relay.operator}/metrics`)).text()
    expect(metrics).toContain('fourseven_reloads_total{outcome="failed"} 1')
    const words = startFourseven(['relay', file, '--no-watch'])
    expect((await words.ended).code).toBe(1)
  })

  test('by the operator is done or foreseen, of its own file or another', async () => {
    const [one, two] = [await echo(), await echo()]
    const folder = folderWith({ 'r.json': configText([one]), 'next.json': configText([two]) })
    const file = join(folder, 'r.json')
    const relay = await startRelay(file, '--no-watch')
    await hold(relay.port)
    const at = ['--operator', `127.0.0.1:${relay.operator}`]
    const dry = await fourseven(['reload', '--dry-run', join(folder, 'next.json'), ...at])
    expect(dry).toMatchObject({ code: 0, stdout: expect.stringContaining('1 open flow is drained') })
    expect(dry.stdout).toContain(`endpoints: +db/tcp://127.0.0.1:${two} -db/tcp://127.0.0.1:${one}`)
    expect((await fourseven(['reload', ...at])).stdout).toBe('nothing changed\n')
    writeFileSync(file, readFileSync(join(folder, 'next.json')))
    const done = JSON.parse((await fourseven(['reload', '--json', ...at])).stdout)
    expect(done).toMatchObject({ ok: true, drained: 1 })
    writeFileSync(file, '{')
    expect(await fourseven(['reload', ...at])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('not reloaded'),
    })
    expect(await fourseven(['reload', '--operator', '127.0.0.1:1'])).toMatchObject({ code: 3 })
  })
})

describe('a takeover', () => {
  test('by a new relay, again and again under connection load, refuses and resets nobody', async () => {
    const folder = folderWith({})
    const port = await freePort()
    const path = join(folder, 'door.sock')
    writeFileSync(join(folder, 'r.json'), configText([await echo()], { port, path }))
    const start = () => startRelay(join(folder, 'r.json'), '--takeover', join(folder, 'takeover.sock'), '--no-records')
    let relay = await start()
    const outcomes: Record<string, number> = {}
    let isOver = false
    const load = Array.from({ length: 16 }, async (_, at) => {
      const [kind, place] = at % 2 === 0 ? ['tcp', { port }] : ['unix', { path }]
      while (!isOver) {
        const outcome = `${kind} ${await ask(place)}`
        outcomes[outcome] = (outcomes[outcome] ?? 0) + 1
      }
    })
    /** However fast the machine is: so many more of each kind, whatever came of them. */
    const untilServed = async (more: number) => {
      const count = (kind: string) =>
        Object.entries(outcomes).reduce((sum, [outcome, times]) => sum + (outcome.startsWith(kind) ? times : 0), 0)
      const wanted = ['tcp', 'unix'].map(kind => [kind, count(kind) + more] as const)
      while (wanted.some(([kind, least]) => count(kind) < least)) await new Promise(resolve => setTimeout(resolve, 20))
    }
    const held = [await hold({ port }), await hold({ path })]
    for (let times = 0; times < 4; times++) {
      const before = relay
      await untilServed(50)
      relay = await start()
      await before.line(({ event }) => event === 'taken_over')
      if (times === 0) {
        for (const socket of held) {
          socket.write('on the first')
          expect(String((await once(socket, 'data'))[0])).toBe('on the first')
          socket.end()
        }
      }
      expect((await before.ended).code).toBe(0)
    }
    await untilServed(50)
    isOver = true
    await Promise.all(load)
    expect(Object.keys(outcomes).sort()).toEqual(['tcp hello', 'unix hello'])
    expect(statSync(path).mode & 0o777).toBe(0o640)
    relay.stop()
    expect((await relay.ended).code).toBe(0)
    expect(readdirSync(folder)).toEqual(['r.json'])
  })

  test('that has no more use for a unix socket takes its file away', async () => {
    const folder = folderWith({})
    const [port, end] = [await freePort(), await echo()]
    const path = join(folder, 'door.sock')
    writeFileSync(join(folder, 'r.json'), configText([end], { port, path }))
    writeFileSync(join(folder, 'less.json'), configText([end], { port }))
    const takeover = ['--takeover', join(folder, 'takeover.sock')]
    const before = await startRelay(join(folder, 'r.json'), ...takeover)
    expect(await ask({ path })).toBe('hello')
    await startRelay(join(folder, 'less.json'), ...takeover)
    expect((await before.ended).code).toBe(0)
    expect(await ask({ path })).toBe('ENOENT')
    expect(await ask({ port })).toBe('hello')
  })

  test('during which the running relay is told to end leaves the unix socket to whoever has it by then', async () => {
    const folder = folderWith({})
    const [path, takeover] = [join(folder, 'door.sock'), join(folder, 'takeover.sock')]
    writeFileSync(join(folder, 'r.json'), configText([await echo()], { port: await freePort(), path }))
    const before = await startRelay(join(folder, 'r.json'), '--takeover', takeover, '--drain-delay', '0')
    const taken = (await takeSockets(takeover))!
    before.stop()
    expect((await before.ended).stdout).not.toContain('taken_over')
    const server = createServer(socket => socket.end('the new one')).listen({
      fd: taken.sockets.get(`unix:${path}`)![0]!.fd,
    })
    onTestFinished(() => void server.close())
    expect(await ask({ path })).toBe('the new one')
  })

  test('that cannot start leaves the running relay as it was', async () => {
    const folder = folderWith({})
    const [port, taken, end] = [await freePort(), await echo(), await echo()]
    const path = join(folder, 'door.sock')
    writeFileSync(join(folder, 'r.json'), configText([end], { port, path }))
    const takeover = ['--takeover', join(folder, 'takeover.sock')]
    const relay = await startRelay(join(folder, 'r.json'), ...takeover)
    const two = JSON.parse(configText([end], { port, path }))
    two.listeners.more = { kind: 'tcp', address: `127.0.0.1:${taken}` }
    two.routes[0].listener = ['db', 'file', 'more']
    writeFileSync(join(folder, 'two.json'), JSON.stringify(two))
    const failed = await fourseven(['relay', join(folder, 'two.json'), ...takeover])
    expect(failed).toMatchObject({ code: 3, stderr: expect.stringContaining(`port ${taken}`) })
    for (let times = 0; times < 50; times++) expect(await ask(times % 2 ? { port } : { path })).toBe('hello')
    const noOperator = [join(folder, 'r.json'), '--operator', `127.0.0.1:${taken}`, ...takeover]
    expect(await fourseven(['relay', ...noOperator])).toMatchObject({ code: 3 })
    expect(await ask({ path })).toBe('hello')
    relay.stop()
    expect((await relay.ended).stdout).not.toContain('taken_over')
  })
})

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}
