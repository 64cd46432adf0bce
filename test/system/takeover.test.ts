// One relay takes over from another while sessions and connections come and go. Everything is counted.

import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { folderWith, startFourseven } from '../cli/command.ts'

test.each([
  { threads: 1, next: 1 },
  { threads: 2, next: 2 },
  { threads: 2, next: 1 },
])(
  'with $threads threads and then $next no datagram of a session is lost, none moves, and no connection is refused',
  async ({ threads, next }) => {
    const [udp, tcp] = [await udpEcho(), await tcpEcho()]
    const folder = folderWith({})
    const [udpPort, tcpPort] = [await freePort(), await freePort()]
    const file = (count: number) =>
      JSON.stringify({
        threads: count,
        listeners: {
          games: { kind: 'udp', address: `127.0.0.1:${udpPort}` },
          door: { kind: 'tcp', address: `127.0.0.1:${tcpPort}` },
        },
        pools: {
          games: { endpoints: [`udp://127.0.0.1:${udp.port}`] },
          door: { endpoints: [`tcp://127.0.0.1:${tcp}`] },
        },
        routes: [
          { name: 'games', listener: 'games', pool: 'games' },
          { name: 'door', listener: 'door', pool: 'door' },
        ],
      })
    const takeover = join(folder, 'takeover.sock')
    const start = async (count: number) => {
      const config = join(folderWith({ 'r.json': file(count) }), 'r.json')
      const relay = startFourseven(['relay', config, '--json', '--takeover', takeover, '--no-records', '--no-watch'])
      onTestFinished(() => void relay.child.kill('SIGKILL'))
      await relay.line(line => line.includes('"listening"') && line.includes('"door"'))
      return relay
    }
    let relay = await start(threads)

    const players = await Promise.all(Array.from({ length: 60 }, () => player(udpPort)))
    await Promise.all(players.map(each => each.isAnswered(1)))
    let isOver = false
    const outcomes: Record<string, number> = {}
    const callers = Array.from({ length: 8 }, async () => {
      while (!isOver) {
        const outcome = await call(tcpPort)
        outcomes[outcome] = (outcomes[outcome] ?? 0) + 1
      }
    })
    const playing = setInterval(() => {
      for (const each of players) each.say()
    }, 20)
    for (const count of [next, threads]) {
      const before = relay
      relay = await start(count)
      expect((await before.ended).code).toBe(0)
      expect((await before.ended).stdout).toContain('taken_over')
    }
    clearInterval(playing)
    isOver = true
    await Promise.all(callers)
    for (const each of players) await each.isAnswered(each.said())
    const said = players.reduce((sum, each) => sum + each.said(), 0)
    expect(said).toBeGreaterThan(1_000)
    expect(players.reduce((sum, each) => sum + each.heard.size, 0)).toBe(said)
    // Each is still the session that it was: the endpoint has heard it from one port alone.
    expect(udp.portsOf.size).toBe(60)
    for (const ports of udp.portsOf.values()) expect(ports.size).toBe(1)
    expect(Object.keys(outcomes)).toEqual(['hello'])
    expect(outcomes.hello).toBeGreaterThan(50)
    relay.child.kill('SIGTERM')
    expect((await relay.ended).code).toBe(0)
  },
  120_000,
)

interface Player {
  readonly say: () => void
  readonly said: () => number
  /** Numbers that came back. */
  readonly heard: ReadonlySet<number>
  /** Resolves when so many have come back, or nothing has for long. */
  readonly isAnswered: (count: number) => Promise<void>
}

/** Says `name:number`, one after the other, from one port. */
async function player(port: number): Promise<Player> {
  const socket = await bound()
  const name = socket.address().port
  const heard = new Set<number>()
  let said = 0
  let heardAt = performance.now()
  socket.on('message', message => {
    heard.add(Number(String(message).split(':')[1]))
    heardAt = performance.now()
  })
  const say = () => {
    said += 1
    socket.send(`${name}:${said}`, port, '127.0.0.1')
  }
  say()
  return {
    say,
    said: () => said,
    heard,
    isAnswered: async count => {
      heardAt = performance.now()
      while (heard.size < count && performance.now() - heardAt < 5_000) {
        await new Promise(later => setTimeout(later, 10))
      }
    },
  }
}

async function udpEcho(): Promise<{ readonly port: number; readonly portsOf: Map<string, Set<number>> }> {
  const socket = await bound()
  const portsOf = new Map<string, Set<number>>()
  socket.on('message', (message, { port, address }) => {
    const [name] = String(message).split(':')
    const ports = portsOf.get(name!) ?? new Set()
    portsOf.set(name!, ports.add(port))
    socket.send(message, port, address)
  })
  return { port: socket.address().port, portsOf }
}

async function bound(): Promise<Socket> {
  const socket = createSocket({ type: 'udp4', recvBufferSize: 1 << 20 })
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  onTestFinished(() => void socket.close())
  return socket
}

async function tcpEcho(): Promise<number> {
  const server = createServer({ allowHalfOpen: true }, socket => socket.on('error', () => {}).pipe(socket))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  return (server.address() as { port: number }).port
}

/** What comes back for a word, or the code of the error. */
async function call(port: number): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1' })
  try {
    socket.end('hello')
    let text = ''
    for await (const chunk of socket) text += String(chunk)
    return text
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error)
  }
}

/** Free for both kinds, as far as one can know. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  await new Promise(resolve => server.close(resolve))
  return port
}
