// One probe of one endpoint: connects, says who asks where a PROXY header is due, asks, and judges the answer.

import { connect, type Socket } from 'node:net'
import { type SecureContext, connect as startTls } from 'node:tls'
import { type EndpointAddress, isHttp2Scheme, isIpLiteral, isTlsScheme } from '../shared/config/endpoint-address.ts'
import type { ProbeConfig } from '../shared/config/parsed.ts'
import { formatDuration } from '../shared/config/units.ts'
import { formatHostPort } from '../shared/wire/address.ts'
import { startAnswerTimeout } from './answer-timeout.ts'
import { askDatagram } from './ask-datagram.ts'
import { askHttp } from './ask-http.ts'
import { askHealth } from './grpc-health.ts'

export interface ProbeTls {
  readonly context: SecureContext
  readonly serverName: string | undefined
}

/**
 * Resolves with undefined when the probe passed, else with why not, in a few words. The connection is closed by then.
 * Of a certificate nothing is verified: whether an endpoint lives and who it is are two questions.
 *
 * @param opening the PROXY header, ahead of TLS
 * @param stop ends it early; what it then resolves with says nothing about the endpoint
 * @param tls as traffic does it: an endpoint may want to see a certificate
 * @param from an address of this machine to ask from, in place of the one that the system picks
 */
export async function askEndpoint(
  address: EndpointAddress,
  probe: ProbeConfig,
  opening: Uint8Array | undefined,
  stop: AbortSignal,
  tls?: ProbeTls,
  from?: string,
): Promise<string | undefined> {
  if (probe.kind === 'udp') return askDatagram(address, probe, opening, stop, from)
  const { host, port, scheme, ip } = address
  const local = from === undefined ? {} : { localAddress: from }
  const raw = scheme === 'unix' ? connect({ path: host }) : connect({ host: ip ?? host, port, noDelay: true, ...local })
  raw.on('error', nothing)
  let isLate = false
  const heard = startAnswerTimeout(probe.timeoutMs, () => {
    isLate = true
    raw.destroy()
  })
  const end = () => raw.destroy()
  stop.addEventListener('abort', end, { once: true })
  let socket = raw
  try {
    let failure = await until(raw, 'connect')
    if (failure === undefined && opening !== undefined) raw.write(opening)
    if (failure === undefined && (isTlsScheme(scheme) || probe.kind === 'tls')) {
      const name = tls?.serverName ?? (isIpLiteral(host) || scheme === 'unix' ? undefined : host)
      socket = startTls({
        socket: raw,
        rejectUnauthorized: false,
        ...(probe.kind === 'grpc' || isHttp2Scheme(scheme) ? { ALPNProtocols: ['h2'] } : {}),
        ...(tls === undefined ? {} : { secureContext: tls.context }),
        ...(name === undefined ? {} : { servername: name }),
      })
      socket.on('error', nothing)
      failure = await until(socket, 'secureConnect')
    }
    failure ??= await askIn(socket, address, probe)
    return isLate ? `no answer within ${formatDuration(probe.timeoutMs)}` : failure
  } finally {
    heard()
    stop.removeEventListener('abort', end)
    socket.destroy()
    raw.destroy()
  }
}

async function askIn(socket: Socket, address: EndpointAddress, probe: ProbeConfig): Promise<string | undefined> {
  switch (probe.kind) {
    case 'tcp':
    case 'tls':
    case 'udp':
      return undefined
    case 'http':
      return askHttp(socket, authorityOf(address), isHttp2Scheme(address.scheme), probe)
    case 'grpc':
      return askHealth(socket, authorityOf(address), probe.service).catch(wordsOf)
    case 'redis': {
      socket.write('PING\r\n')
      const said = await readUntil(socket, bytes => bytes.includes('\n'))
      // It lives and serves, only not us: a password is asked for before anything else.
      return said.startsWith('+PONG') || said.startsWith('-NOAUTH') ? undefined : notThat(said)
    }
    case 'postgres': {
      socket.write(sslRequest)
      const said = await readUntil(socket, bytes => bytes.length > 0)
      return said === 'S' || said === 'N' ? undefined : notThat(said)
    }
  }
}

function authorityOf({ host, port, scheme }: EndpointAddress): string {
  return scheme === 'unix' ? 'localhost' : formatHostPort(host, port)
}

/** Undefined when the event came, else what came in its place. */
function until(socket: Socket, event: 'connect' | 'secureConnect'): Promise<string | undefined> {
  return new Promise(resolve => {
    socket.once(event, () => resolve(undefined))
    socket.once('error', error => resolve(wordsOf(error)))
    socket.once('close', () => resolve(closed))
  })
}

/** What came until it is enough, or until the end; empty when nothing came. */
function readUntil(socket: Socket, isEnough: (bytes: Buffer) => boolean): Promise<string> {
  return new Promise(resolve => {
    let bytes = Buffer.alloc(0)
    const done = () => resolve(bytes.toString('latin1'))
    socket.on('data', chunk => {
      bytes = Buffer.concat([bytes, chunk as Buffer]).subarray(0, mostAnswer)
      if (isEnough(bytes) || bytes.length === mostAnswer) done()
    })
    socket.once('end', done)
    socket.once('close', done)
  })
}

function notThat(said: string): string {
  return said === '' ? closed : `answered ${JSON.stringify(said.slice(0, 60))}`
}

function wordsOf(error: NodeJS.ErrnoException): string {
  return error.code ?? error.message
}

function nothing(): void {}

const closed = 'closed the connection'
/** The protocol's question whether TLS may follow (PostgreSQL, "Message Formats", SSLRequest): answered before any login. */
const sslRequest = Uint8Array.of(0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f)
const mostAnswer = 256
