// HTTP/1.1 load over connections that stay open: a bounded number of prepared requests, one at a time on each connection.

import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

/** Sends `count` requests, taken in turn, and gives the seconds it took. Rejects at the first answer that is no 2xx. */
export async function sendAll(
  port: number,
  requests: readonly Buffer[],
  count: number,
  connections: number,
): Promise<number> {
  const sockets = await Promise.all(Array.from({ length: connections }, () => open(port)))
  let sent = 0
  const nextRequest = () => (sent < count ? requests[sent++ % requests.length] : undefined)
  const start = process.hrtime.bigint()
  try {
    await Promise.all(sockets.map(socket => sendOn(socket, nextRequest)))
    return Number(process.hrtime.bigint() - start) / 1e9
  } finally {
    for (const socket of sockets) socket.destroy()
  }
}

/** One request as bytes. */
export function requestBytes(
  method: string,
  path: string,
  headers: readonly (readonly [string, string])[],
  body: string,
): Buffer {
  const fields = [...headers, ...(body === '' ? [] : [['content-length', String(Buffer.byteLength(body))] as const])]
  const head = fields.map(([name, value]) => `${name}: ${value}\r\n`).join('')
  return Buffer.from(`${method} ${path} HTTP/1.1\r\n${head}\r\n${body}`)
}

async function open(port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  await once(socket, 'connect')
  return socket
}

function sendOn(socket: Socket, nextRequest: () => Buffer | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    let held = ''
    const send = () => {
      const request = nextRequest()
      if (request === undefined) resolve()
      else socket.write(request)
    }
    socket.setTimeout(LONGEST_WAIT_MS, () => reject(new Error(`no answer within ${LONGEST_WAIT_MS} ms`)))
    socket.on('error', reject)
    socket.on('close', () => reject(new Error('the connection was closed')))
    socket.on('data', chunk => {
      held += chunk.toString('latin1')
      const end = held.indexOf('\r\n\r\n')
      if (end === -1) return
      if (!held.startsWith('HTTP/1.1 2')) return reject(new Error(`answered ${held.slice(0, held.indexOf('\r\n'))}`))
      const length = CONTENT_LENGTH.exec(held.slice(0, end + 2))
      if (length === null) return reject(new Error('an answer without Content-Length'))
      if (held.length < end + 4 + Number(length[1])) return
      held = ''
      send()
    })
    send()
  })
}

const LONGEST_WAIT_MS = 10_000
const CONTENT_LENGTH = /\r\ncontent-length: (\d+)\r\n/i
