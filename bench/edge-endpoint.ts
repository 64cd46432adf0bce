// The endpoints behind the Workers of the edge bench, in a process of their own: one port for each name given, a fixed
// answer written straight to the socket. `x-echo: what-came` is answered with the request itself, `x-echo: never` not at all.

import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'

const ports: Record<string, number> = {}
for (const name of process.argv.slice(2)) {
  const server = createServer({ noDelay: true }, socket => {
    let held = ''
    socket.on('error', () => {})
    socket.on('data', chunk => {
      held += chunk.toString('latin1')
      for (;;) {
        const end = held.indexOf('\r\n\r\n')
        if (end === -1) return
        const length = Number(/\r\ncontent-length: (\d+)/i.exec(held.slice(0, end))?.[1] ?? 0)
        const total = end + 4 + length
        if (held.length < total) return
        const echo = /\r\nx-echo: (\S+)/i.exec(held.slice(0, end))?.[1]
        if (echo !== 'never')
          socket.write(echo === undefined ? USUAL : answer(name, JSON.stringify(held.slice(0, total))))
        held = held.slice(total)
      }
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  ports[name] = (server.address() as AddressInfo).port
}
process.send!(ports)
// The bench that forked it is gone.
process.on('disconnect', () => process.exit())

function answer(name: string, body: string): string {
  const fields = [
    `content-length: ${Buffer.byteLength(body)}`,
    'content-type: application/json',
    'cache-control: private, max-age=0',
    'etag: "5d8c72a5edda8d6a"',
    'x-powered-by: endpoint',
    `x-endpoint: ${name}`,
    'vary: accept-encoding',
  ]
  return `HTTP/1.1 200 OK\r\n${fields.join('\r\n')}\r\n\r\n${body}`
}

const USUAL = answer(
  'any',
  JSON.stringify({ orders: Array.from({ length: 16 }, (_, id) => ({ id, state: 'shipped', total: 1999 })) }),
)
