// The endpoint behind every relay of a bench, in a process of its own with a port for each of them, so that it can tell
// what came through which. Arguments: `echo` (every byte goes back) or `sink` (streams are counted), and how many ports.

import { once } from 'node:events'
import { type AddressInfo, createServer, type OnReadOpts, type Server, Socket } from 'node:net'
import { crc32 } from 'node:zlib'

/** What a port has seen. */
export interface Seen {
  connections: number
  bytes: number
}

const open = new Set<Socket>()

/** Reads without an allocation for each read, so that the endpoint is not what bounds the bench. */
function serve(seen: Seen): Server {
  const server = createServer({ pauseOnConnect: true, noDelay: true }, accepted => {
    seen.connections += 1
    const shell = accepted as Socket & { _handle: unknown }
    const take = kind === 'echo' ? echo : sink()
    const onread: OnReadOpts = {
      buffer: memory,
      callback(count, buffer) {
        seen.bytes += count
        take(socket, (buffer as Buffer).subarray(0, count))
        return true
      },
    }
    const socket = new Socket({ handle: shell._handle as never, onread })
    shell._handle = null
    shell.destroy()
    open.add(socket)
    socket.on('close', () => open.delete(socket))
    socket.on('error', () => {})
    socket.resume()
  })
  return server
}

function echo(socket: Socket, bytes: Buffer): void {
  // A write may go on after this call, and the memory is read into again.
  socket.write(Buffer.from(bytes))
}

/** Streams one after another, each behind a head of 8 bytes (its length in 6, then 1 to want its CRC-32); each is answered when all of it is there. */
function sink(): (socket: Socket, bytes: Buffer) => void {
  const head = Buffer.alloc(8)
  let headBytes = 0
  let left = 0
  let crc = 0
  return (socket, bytes) => {
    for (let at = 0; at < bytes.length; ) {
      if (headBytes < head.length) {
        const taken = bytes.copy(head, headBytes, at)
        headBytes += taken
        at += taken
        if (headBytes < head.length) return
        left = head.readUIntBE(0, 6)
        crc = 0
      }
      const taken = Math.min(left, bytes.length - at)
      if (head[6] === 1) crc = crc32(bytes.subarray(at, at + taken), crc)
      at += taken
      left -= taken
      if (left > 0) return
      const answer = Buffer.alloc(4)
      answer.writeUInt32BE(crc)
      socket.write(answer)
      headBytes = 0
    }
  }
}

const memory = Buffer.allocUnsafeSlow(512 * 1024)
const [kind, count] = process.argv.slice(2)
const counts = Array.from({ length: Number(count) }, (): Seen => ({ connections: 0, bytes: 0 }))
const ports: number[] = []
for (const seen of counts) {
  const server = serve(seen)
  server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 })
  await once(server, 'listening')
  ports.push((server.address() as AddressInfo).port)
}
process.on('message', asked => {
  if (asked === 'reset') for (const socket of open) socket.resetAndDestroy()
  process.send!(counts)
})
process.on('disconnect', () => process.exit())
process.send!(ports)
