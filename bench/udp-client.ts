// The client of the UDP bench, in a process of its own: a thousand sockets, each a session. Does one task at a time.
// Every datagram that comes back is compared with what was sent.

import { UdpSocket } from '../relay/udp-socket.ts'

/** `port` is the relay's. */
export type UdpTask =
  /** Opens the sockets and exchanges a datagram on each, so that its session is there. Answers the seconds it took. */
  | { readonly do: 'open'; readonly port: number; readonly sockets: number }
  /** Closed loop: `count` datagrams there and back, so many under way at once. Answers the seconds it took. */
  | {
      readonly do: 'exchange'
      readonly port: number
      readonly count: number
      readonly bytes: number
      readonly atOnce: number
    }
  /** Answers how many did not come back so far. */
  | { readonly do: 'lost'; readonly port: number }

interface Crowd {
  readonly sockets: readonly UdpSocket[]
  lost: number
  /** Called with each datagram, and with the socket's place. */
  take: (bytes: Uint8Array, at: number) => void
}

const crowds = new Map<number, Crowd>()

async function work(task: UdpTask): Promise<number> {
  const start = performance.now()
  if (task.do === 'lost') return crowds.get(task.port)!.lost
  if (task.do === 'open') {
    const crowd: Crowd = {
      sockets: Array.from({ length: task.sockets }, (_, at) => open(task.port, at)),
      lost: 0,
      take: nothing,
    }
    crowds.set(task.port, crowd)
    await exchange(crowd, task.sockets, 64, 50)
    if (crowd.lost > 0) throw new Error(`${crowd.lost} of the first datagrams did not come back`)
    return (performance.now() - start) / 1000
  }
  return exchange(crowds.get(task.port)!, task.count, task.bytes, task.atOnce)
}

function open(port: number, at: number): UdpSocket {
  const socket = new UdpSocket(4)
  const error = socket.connect('127.0.0.1', port) ?? socket.listen()
  if (error !== undefined) throw new Error(error)
  socket.onDatagram = bytes => crowds.get(port)!.take(bytes, at)
  return socket
}

/** The seconds until the last one was back. What is not back when nothing has come for a while is lost. */
function exchange(crowd: Crowd, count: number, bytes: number, atOnce: number): Promise<number> {
  const { sockets } = crowd
  const payload = Buffer.alloc(bytes, 'datagram ')
  return new Promise((resolve, reject) => {
    const start = performance.now()
    let [sent, back, lastAt] = [0, 0, start]
    const next = () => {
      if (sent === count) return
      const error = sockets[sent % sockets.length]!.send(payload)
      if (error !== undefined) return end(() => reject(new Error(error)))
      sent += 1
    }
    const end = (settle: () => void) => {
      clearInterval(watching)
      crowd.take = nothing
      settle()
    }
    crowd.take = answer => {
      if (payload.compare(answer) !== 0) return end(() => reject(new Error('other bytes came back')))
      back += 1
      lastAt = performance.now()
      if (back === count) end(() => resolve((lastAt - start) / 1000))
      else next()
    }
    const watching = setInterval(() => {
      if (performance.now() - lastAt < LOST_MS) return
      crowd.lost += sent - back
      // The places of the lost ones are free for the rest.
      const rest = count - sent
      if (rest === 0) return end(() => resolve((lastAt - start) / 1000))
      back = sent
      lastAt = performance.now()
      for (let free = Math.min(atOnce, rest); free > 0; free--) next()
    }, 50)
    for (let first = Math.min(atOnce, count); first > 0; first--) next()
  })
}

function nothing(): void {}

const LOST_MS = 500

process.on('message', (task: UdpTask) => {
  work(task).then(
    value => process.send!({ value }),
    (error: Error) => process.send!({ value: 0, error: error.message }),
  )
})
process.on('disconnect', () => process.exit())
