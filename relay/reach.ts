// The way to an endpoint: connect, say what goes ahead of the client's bytes, ask for TLS where its protocol wants to be
// asked, begin TLS where the address says so. One outcome: a side to send to, or why there is none.

import { type SecureContext, connect as tlsConnect } from 'node:tls'
import { type EndpointAddress, isIpLiteral } from '../shared/config/endpoint-address.ts'
import type { EndpointTlsConfig } from '../shared/config/parsed.ts'
import type { Reason } from '../shared/decide/reason.ts'
import type { Host } from './forward.ts'
import type { PemFiles } from './pem-files.ts'
import { postgresAnswer, sslRequest } from './postgres.ts'
import { Side } from './side.ts'

export interface Approach {
  /** Goes out first, in one write, ahead of TLS too. */
  readonly opening: Uint8Array | undefined
  /** The endpoint is asked for TLS in this protocol. */
  readonly startTls: 'postgres' | undefined
  /** The client's bytes are TLS themselves: then an endpoint without `tls://` is asked for it too. */
  readonly carriesTls: boolean
  /** For `tls://` endpoints. */
  readonly tls: BeginTls
}

export interface BeginTls {
  readonly config: EndpointTlsConfig | undefined
  readonly context: PemFiles<SecureContext>
  /** Offered by ALPN. */
  readonly protocols: readonly string[]
}

/** A connection under way. */
export interface Reach {
  /** Ends it; `done` is not called any more. */
  readonly giveUp: () => void
}

/** @param done called once, never before `reach` has returned */
export function reach(
  host: Host,
  address: EndpointAddress,
  approach: Approach,
  done: (outcome: Side | Reason) => void,
): Reach {
  let isOver = false
  const bottom = new Side(onread => host.connect(address, onread, approach.opening))
  const finish = (outcome: Side | Reason) => {
    if (isOver) return
    isOver = true
    bottom.onClose = nothing
    bottom.onEarly = undefined
    if (typeof outcome === 'string') bottom.reset()
    done(outcome)
  }
  const beginTls = () => {
    if (address.scheme !== 'tls') return finish(bottom)
    const { config, context, protocols } = approach.tls
    const name = config?.serverName ?? (isIpLiteral(address.host) ? undefined : address.host)
    const socket = tlsConnect({
      socket: bottom.giveBack(),
      secureContext: context.now,
      host: address.host,
      rejectUnauthorized: config?.isVerified ?? true,
      ...(name === undefined ? {} : { servername: name }),
      ...(protocols.length === 0 ? {} : { ALPNProtocols: [...protocols] }),
    })
    socket.once('secureConnect', () => finish(new Side(() => socket, bottom)))
    socket.on('error', error =>
      finish(socket.authorizationError == null ? tlsReasonOf(error) : 'tls_certificate_error'),
    )
    socket.once('close', () => finish('connection_terminated'))
  }
  const askForTls = () => {
    bottom.socket.write(sslRequest)
    bottom.onEarly = () => {
      const answer = bottom.hasEnded ? 'no' : postgresAnswer(bottom.peeked())
      if (answer === 'more') return
      bottom.onEarly = undefined
      bottom.skip(1)
      if (answer === 'yes') beginTls()
      else finish('tls_protocol_error')
    }
  }
  bottom.onClose = () => finish(reasonOf(bottom.socket.errored))
  bottom.socket.once('connect', () => {
    if (isOver) return
    const isAsked = approach.startTls !== undefined && (approach.carriesTls || address.scheme === 'tls')
    if (isAsked) askForTls()
    else beginTls()
  })
  return {
    giveUp: () => {
      if (isOver) return
      isOver = true
      bottom.onClose = nothing
      bottom.onEarly = undefined
      bottom.reset()
    },
  }
}

/** The words of RFC 9209 for what the system says of a connect that failed. */
export function reasonOf(error: Error | null): Reason {
  return reasonOfCode((error as NodeJS.ErrnoException | null)?.code)
}

export function reasonOfCode(code: string | undefined): Reason {
  switch (code) {
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return 'destination_ip_unroutable'
    case 'ETIMEDOUT':
      return 'connection_timeout'
    case 'ECONNRESET':
    case 'EPIPE':
      return 'connection_terminated'
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
    case 'EAI_FAIL':
    case 'EAI_NODATA':
      return 'dns_error'
    case 'EMFILE':
    case 'ENFILE':
    case 'ENOBUFS':
    case 'ENOMEM':
    case 'EADDRNOTAVAIL':
      return 'relay_exhausted'
    default:
      return 'connection_refused'
  }
}

/** In a handshake: what OpenSSL says, or that the connection went away. */
function tlsReasonOf(error: NodeJS.ErrnoException): Reason {
  return error.code === 'ECONNRESET' || error.code === 'EPIPE' ? 'connection_terminated' : 'tls_protocol_error'
}

function nothing(): void {}
