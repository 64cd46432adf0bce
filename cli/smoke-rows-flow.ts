// What the smoke run proves at tcp and tls listeners, a row each.

import { createHash, randomBytes, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:net'
import { askTcp, askTls, type Place, placeText } from './ask.ts'
import type { DemoEndpoint } from './demo.ts'
import { SECURE } from './demo-flows.ts'
import type { SmokeRow } from './smoke.ts'

/** The shipped routes, running: where the planes listen, and the endpoints behind them. */
export interface SmokeWorld {
  readonly edge: Place
  /** The relay's, by name. */
  readonly listeners: ReadonlyMap<string, Place>
  readonly demo: readonly DemoEndpoint[]
}

export const flowRows: readonly SmokeRow<SmokeWorld>[] = [
  {
    what: 'TCP: 4 MB echoed',
    expected: 'the same bytes',
    see: async (world, signal) => {
      const bytes = randomBytes(4_000_000)
      return compareBytes(bytes, await askTcp(listener(world, 'echo'), bytes, 'full', signal))
    },
  },
  {
    what: 'TCP: half-close reaches the endpoint, the rest comes back',
    expected: 'the same bytes',
    see: async (world, signal) => {
      const bytes = randomBytes(4_000_000)
      return compareBytes(bytes, await askTcp(listener(world, 'echo'), bytes, 'half-close', signal))
    },
  },
  {
    what: 'a PROXY header tells the endpoint who the client is',
    expected: "you are the client's address and port, says a PROXY header of version 2",
    see: async (world, signal) => {
      const { host, port } = listener(world, 'who')
      const socket = connect({ host, port, signal })
      await once(socket, 'connect')
      const mine = placeText({ host: socket.localAddress!, port: socket.localPort! })
      const chunks: Buffer[] = []
      for await (const chunk of socket as AsyncIterable<Buffer>) chunks.push(chunk)
      return String(Buffer.concat(chunks)).trim().replace(mine, "the client's address and port")
    },
  },
  {
    what: 'TLS by server name, passed through unopened',
    expected: `${SECURE}: the endpoint's own certificate, another name: unrecognized name`,
    see: async (world, signal) => {
      const place = listener(world, 'secure')
      const pem = world.demo.find(({ name }) => name === 'secure')!.certificate!
      const { certificate, headers } = await askTls(place, SECURE, pem, signal)
      const isItsOwn = certificate.raw.equals(new X509Certificate(pem).raw) && headers['x-endpoint'] === 'secure'
      const other = await askTls(place, 'other.localhost', pem, signal).then(
        () => 'an answer',
        // OpenSSL's words for the alert.
        (error: Error) => /unrecognized name/.exec(error.message)?.[0] ?? error.message,
      )
      return `${SECURE}: ${isItsOwn ? "the endpoint's own certificate" : certificate.subject}, another name: ${other}`
    },
  },
]

export function compareBytes(sent: Buffer, received: Buffer): string {
  if (sent.equals(received)) return 'the same bytes'
  const sha = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex').slice(0, 8)
  return `${received.length} of ${sent.length} bytes, sha256 ${sha(received)} not ${sha(sent)}`
}

function listener({ listeners }: SmokeWorld, name: string): Place {
  const place = listeners.get(name)
  if (place === undefined) throw new Error(`the shipped config has no listener ${name}`)
  return place
}
