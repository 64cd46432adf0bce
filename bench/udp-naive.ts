// The plain UDP relay that everyone writes first: `dgram`, a Map by address and port, a socket for each client. Arguments:
// its port, the endpoint's port.

import { createSocket, type Socket } from 'node:dgram'

const [port, endpoint] = process.argv.slice(2).map(Number)
const sessions = new Map<string, Socket>()
const door = createSocket('udp4')

door.on('message', (bytes, { address, port }) => {
  const key = `${address}:${port}`
  const known = sessions.get(key)
  if (known !== undefined) {
    known.send(bytes, endpoint!, '127.0.0.1')
    return
  }
  const upstream = createSocket('udp4')
  sessions.set(key, upstream)
  upstream.on('message', answer => door.send(answer, port, address))
  upstream.on('error', () => sessions.delete(key))
  upstream.send(bytes, endpoint!, '127.0.0.1')
})
door.bind(port!, '127.0.0.1', () => door.setRecvBufferSize(4_194_304))
