// The plain relay that everyone writes first: `socket.pipe` both ways. Arguments: its port, the endpoint's port.

import { connect, createServer } from 'node:net'

const [port, endpoint] = process.argv.slice(2).map(Number)

const server = createServer({ allowHalfOpen: true, noDelay: true }, client => {
  const other = connect({ port: endpoint!, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
  client.on('error', () => other.destroy())
  other.on('error', () => client.destroy())
  client.pipe(other)
  other.pipe(client)
})
server.listen({ port: port!, host: '127.0.0.1', backlog: 4096 })
