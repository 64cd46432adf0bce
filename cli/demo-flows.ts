// The demo endpoints behind tcp and tls listeners: an echo, one that says who the client is, and one that has a
// certificate of its own.

import https from 'node:https'
import net from 'node:net'
import { formatHostPort } from '../shared/wire/address.ts'
import { readProxyHeader } from '../shared/wire/proxy-header.ts'
import { type SelfSigned, selfSigned } from './self-signed.ts'

/** Sends back what it gets, and ends its side only when the other side has ended: half-close has to pass both ways. */
export function echoServer(): net.Server {
  return net.createServer({ allowHalfOpen: true }, socket => {
    socket.on('error', () => socket.destroy())
    socket.pipe(socket)
  })
}

/** Reads a PROXY header and says in one line what it knows of the client by it. */
export function whoServer(): net.Server {
  return net.createServer(socket => {
    let bytes = Buffer.alloc(0)
    const answer = (text: string) => {
      socket.off('data', read)
      socket.resume().end(`${text}\n`)
    }
    const read = (chunk: Buffer) => {
      bytes = Buffer.concat([bytes, chunk])
      const seen = readProxyHeader(bytes)
      if (seen === 'more') return
      if ('reason' in seen) return answer(`I know no client, only ${socket.remoteAddress}: no PROXY header`)
      const { version, says } = seen.header
      const client = says.of === 'inet' ? formatHostPort(says.source.address.text, says.source.port) : says.of
      answer(`you are ${client}, says a PROXY header of version ${version}`)
    }
    socket.on('data', read)
    socket.on('error', () => socket.destroy())
    socket.setTimeout(3_000, () => socket.destroy())
  })
}

/** HTTPS with a certificate for `SECURE` that is made now. */
export function secureServer(name: string): { readonly server: net.Server; readonly certificate: SelfSigned['cert'] } {
  const { cert, key } = selfSigned(SECURE, new Date(), 30)
  const server = https.createServer({ cert, key }, (request, response) => {
    request.resume()
    response.setHeader('x-endpoint', name)
    response.end(`${name}: TLS ended here, with my own certificate\n`)
  })
  return { server, certificate: cert }
}

/** As `shared/routes.ts` has it. */
export const SECURE = 'secure.localhost'
