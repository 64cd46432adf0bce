// The endpoint behind every UDP relay of a bench, with a port for each of them: sends every datagram back as it came, and
// counts them. Argument: how many ports.

import { UdpSocket } from '../relay/udp-socket.ts'

/** What a port has seen. */
export interface SeenDatagrams {
  datagrams: number
  bytes: number
  /** From how many addresses and ports. */
  senders: number
}

const [count] = process.argv.slice(2).map(Number)
const sockets: UdpSocket[] = []
const seen = Array.from({ length: count! }, (): SeenDatagrams => {
  const counts = { datagrams: 0, bytes: 0, senders: 0 }
  const senders = new Set<number>()
  const socket = new UdpSocket(4)
  const error = socket.bind('127.0.0.1', 0) ?? socket.listen()
  if (error !== undefined) throw new Error(error)
  socket.makeRoom(4_194_304)
  socket.onDatagram = (bytes, address, port) => {
    counts.datagrams += 1
    counts.bytes += bytes.length
    if (!senders.has(port)) {
      senders.add(port)
      counts.senders = senders.size
    }
    socket.sendTo(bytes, address, port)
  }
  sockets.push(socket)
  return counts
})
process.on('message', () => process.send!(seen))
process.on('disconnect', () => process.exit())
process.send!(sockets.map(socket => socket.local().port))
