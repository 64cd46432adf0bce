// A server for endpoints of the lab, a program of its own: says who it is and whom it sees, then sends back what it gets.
// Over UDP each datagram is answered with the same, one line.
//
// node echo.ts NAME PORT [HOST...]

import { createSocket } from 'node:dgram'
import { createServer } from 'node:net'

const [name = '', port = '', ...hosts] = process.argv.slice(2)
const server = createServer({ noDelay: true }, socket => {
  socket.on('error', () => socket.destroy())
  socket.write(`${name} ${socket.remoteAddress?.replace('::ffff:', '')} ${socket.remotePort}\n`)
  socket.pipe(socket)
})
server.listen({ port: Number(port), host: '::', backlog: 4096 })
for (const host of hosts) {
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4')
  socket.on('message', (message, from) => {
    const line = `${name} ${from.address} ${from.port} ${message.length} `
    socket.send(line + message.subarray(0, 100).toString('latin1'), from.port, from.address)
  })
  socket.bind(Number(port), host)
}
server.once('listening', () => console.log('ready'))
