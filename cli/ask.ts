// One HTTP request with any Host, one WebSocket, one TCP exchange, one look at who answers by TLS: what the smoke run drives
// traffic with.

import { randomBytes, type X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import http from 'node:http'
import https from 'node:https'
import net from 'node:net'
import type { TLSSocket } from 'node:tls'
import { TEXT, takeFrame, writeFrame } from './web-socket.ts'

export interface Place {
  readonly host: string
  readonly port: number
}

/** `127.0.0.1:8787`, `[::1]:8787`: as it stands in a URL. */
export function placeText({ host, port }: Place): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
}

export interface Question {
  readonly host: string
  readonly path: string
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array
}

export interface Answer {
  readonly status: number
  readonly headers: http.IncomingHttpHeaders
  readonly body: Buffer
}

/** Asks `place` for the host and path as they stand; fetch would not let Host be chosen. */
export async function askHttp(place: Place, question: Question, signal: AbortSignal): Promise<Answer> {
  const { host, path, method = 'GET', headers = {}, body } = question
  const request = http.request({
    host: place.host,
    port: place.port,
    path,
    method,
    headers: { host, ...headers, ...(body === undefined ? {} : { 'content-length': String(body.byteLength) }) },
    agent,
    signal,
  })
  request.end(body)
  const [response] = (await once(request, 'response')) as [http.IncomingMessage]
  const chunks: Buffer[] = []
  for await (const chunk of response) chunks.push(chunk as Buffer)
  return { status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) }
}

/** Opens a WebSocket, sends a short text and gives the first one that comes back. Throws when it is not opened. */
export async function askSocket(place: Place, question: Question, text: string, signal: AbortSignal): Promise<string> {
  const { host, path, headers = {} } = question
  const handshake = {
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': randomBytes(16).toString('base64'),
  }
  const request = http.request({
    host: place.host,
    port: place.port,
    path,
    headers: { host, ...headers, ...handshake },
    agent: false,
    signal,
  })
  request.on('response', response => request.destroy(new Error(`status ${response.statusCode}, no WebSocket`)))
  request.end()
  const [, socket, head] = (await once(request, 'upgrade')) as [http.IncomingMessage, net.Socket, Buffer]
  try {
    socket.write(writeFrame({ opcode: TEXT, payload: Buffer.from(text) }, 'client'))
    let received = head
    for (;;) {
      const taken = takeFrame(received)
      if (taken !== undefined) return taken.frame.payload.toString()
      const [more] = (await once(socket, 'data', { signal })) as [Buffer]
      received = Buffer.concat([received, more])
    }
  } finally {
    socket.destroy()
  }
}

/** Asks by TLS for this name and trusts nobody but `ca` (PEM). Throws when the handshake or the certificate is no good. */
export async function askTls(
  { host, port }: Place,
  servername: string,
  ca: string,
  signal: AbortSignal,
): Promise<{ readonly certificate: X509Certificate; readonly headers: http.IncomingHttpHeaders }> {
  const request = https.get({ host, port, servername, ca, headers: { host: servername }, agent: false, signal })
  const [response] = (await once(request, 'response')) as [http.IncomingMessage]
  const certificate = (response.socket as TLSSocket).getPeerX509Certificate()!
  response.resume()
  return { certificate, headers: response.headers }
}

/**
 * Sends the bytes and gives what came back until the other side ended. `half-close` ends our side right behind the
 * bytes; `full` ends it only when as many bytes have come back.
 */
export async function askTcp(
  place: Place,
  bytes: Uint8Array,
  close: 'full' | 'half-close',
  signal: AbortSignal,
): Promise<Buffer> {
  const socket = net.connect({ host: place.host, port: place.port, allowHalfOpen: true })
  const stop = () => socket.destroy(new Error('the time is up'))
  signal.addEventListener('abort', stop, { once: true })
  try {
    await once(socket, 'connect')
    if (close === 'half-close') socket.end(bytes)
    else socket.write(bytes)
    const chunks: Buffer[] = []
    let received = 0
    for await (const chunk of socket as AsyncIterable<Buffer>) {
      chunks.push(chunk)
      received += chunk.length
      if (received >= bytes.length) socket.end()
    }
    return Buffer.concat(chunks)
  } finally {
    signal.removeEventListener('abort', stop)
    socket.destroy()
  }
}

/** Connections are kept between questions, so that hundreds of them take a second; they end with the process. */
const agent = new http.Agent({ keepAlive: true, maxSockets: 16 })

/** Closes the connections that were kept. */
export function closeAgent(): void {
  agent.destroy()
}
