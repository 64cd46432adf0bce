// Clients of the lab, a program of its own that takes one JSON command a line and answers each with one line.
//
// { "do": "open", "count": 100, "host": "10.47.0.100", "port": 80 }   opens connections and says whom each met
// { "do": "talk", "bytes": 1000 }   on each open one sends so much, waits for it to come back, says how many were exact
// { "do": "close" }
// { "do": "udp", "host", "port", "from": 20000, "count": 100, "bytes": 10 }   one datagram from each of so many ports

import { randomBytes } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { createInterface } from 'node:readline'

interface Open {
  readonly socket: Socket
  readonly endpoint: string
  readonly address: string
  readonly port: number
  received: Buffer[]
  length: number
  heard: () => void
  isOver: boolean
}

interface Command {
  readonly do: 'open' | 'talk' | 'close' | 'udp'
  readonly count?: number
  readonly bytes?: number
  readonly host?: string
  readonly port?: number
  readonly from?: number
  readonly timeoutMs?: number
}

let crowd: Open[] = []

for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line) as Command
  console.log(JSON.stringify(await obey(command)))
}

async function obey(command: Command): Promise<unknown> {
  const { count = 1, bytes = 10, host = '', port = 0, from = 20_000, timeoutMs = 5_000 } = command
  switch (command.do) {
    case 'open': {
      const opened: (Open | string)[] = []
      for (let at = 0; at < count; at += 50) {
        const some = Array.from({ length: Math.min(50, count - at) }, () => openOne(host, port, timeoutMs))
        opened.push(...(await Promise.all(some)))
      }
      const open = opened.filter(one => typeof one !== 'string')
      crowd.push(...open)
      return {
        met: open.map(({ endpoint, address, port: seen, socket }) => ({
          endpoint,
          address,
          port: seen,
          localPort: socket.localPort,
        })),
        failed: opened.filter(one => typeof one === 'string'),
      }
    }
    case 'talk': {
      const results = await Promise.all(crowd.map(one => talk(one, bytes, timeoutMs)))
      const told = crowd.map(({ endpoint }, at) => ({ endpoint, is: results[at]! }))
      crowd = crowd.filter(({ isOver }) => !isOver)
      return told
    }
    case 'close': {
      for (const { socket } of crowd) socket.destroy()
      crowd = []
      return {}
    }
    case 'udp':
      return udp(host, port, from, count, bytes, timeoutMs)
  }
}

function openOne(host: string, port: number, timeoutMs: number): Promise<Open | string> {
  return new Promise(resolve => {
    const socket = connect({ host, port, noDelay: true })
    const timer = setTimeout(() => {
      socket.destroy()
      resolve('timeout')
    }, timeoutMs)
    let head = ''
    const learn = (chunk: Buffer) => {
      head += chunk.toString('latin1')
      if (!head.includes('\n')) return
      clearTimeout(timer)
      socket.off('data', learn)
      const [endpoint = '', address = '', seen = ''] = head.trim().split(' ')
      const one: Open = {
        socket,
        endpoint,
        address,
        port: Number(seen),
        received: [],
        length: 0,
        heard: () => {},
        isOver: false,
      }
      socket.on('data', data => {
        one.received.push(data)
        one.length += data.length
        one.heard()
      })
      socket.on('close', () => {
        one.isOver = true
        one.heard()
      })
      resolve(one)
    }
    socket.on('data', learn)
    socket.on('error', error => {
      clearTimeout(timer)
      resolve((error as NodeJS.ErrnoException).code ?? error.message)
    })
  })
}

async function talk(one: Open, bytes: number, timeoutMs: number): Promise<'exact' | 'wrong' | 'over' | 'silent'> {
  if (one.isOver) return 'over'
  const text = randomBytes(bytes)
  one.received = []
  one.length = 0
  one.socket.write(text)
  const until = performance.now() + timeoutMs
  while (one.length < bytes && !one.isOver && performance.now() < until) {
    await new Promise<void>(resolve => {
      const timer = setTimeout(resolve, Math.max(1, until - performance.now()))
      one.heard = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }
  if (one.isOver) return 'over'
  if (one.length < bytes) return 'silent'
  return Buffer.concat(one.received).equals(text) ? 'exact' : 'wrong'
}

/** One socket after the other, some at once: what each heard, or null. */
async function udp(host: string, port: number, from: number, count: number, bytes: number, timeoutMs: number) {
  const answers: (string | null)[] = []
  const body = Buffer.alloc(bytes, 'x')
  for (let at = 0; at < count; at += 200) {
    const some = Array.from({ length: Math.min(200, count - at) }, async (_, place) => {
      const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4')
      try {
        socket.bind(from + at + place)
        await once(socket, 'listening')
        const heard = once(socket, 'message', { signal: AbortSignal.timeout(timeoutMs) })
        socket.send(body, port, host)
        const [message] = (await heard) as [Buffer]
        return message.toString('latin1').slice(0, 60)
      } catch {
        return null
      } finally {
        socket.close()
      }
    })
    answers.push(...(await Promise.all(some)))
  }
  return answers
}
