// The connections to one endpoint, of HTTP/1.1 or HTTP/2: which of them is asked next, and when another one is opened.

import { connect as netConnect, type Socket } from 'node:net'
import { type TLSSocket, connect as tlsConnect } from 'node:tls'
import { isHttp2Scheme, isIpLiteral, isTlsScheme } from '../../shared/config/endpoint-address.ts'
import type { Endpoint, Pool } from '../../shared/pool/pool.ts'
import { keepAliveMs, unresolved } from '../forward.ts'
import type { PoolTls } from '../pool-tls.ts'
import { reasonOf } from '../reach.ts'
import { type Asker, type Call, type Failure, failure, type Introduction, type Question } from './call.ts'
import { Http1Endpoint } from './http1-endpoint.ts'
import { Http2Endpoint } from './http2-endpoint.ts'

export class EndpointConnections {
  private pool: Pool
  private endpoint: Endpoint
  private readonly poolTls: () => PoolTls
  private readonly mayConnect: () => boolean
  private readonly introduction: Introduction | undefined
  /** The one used last is used next, so that those beyond what is needed grow old. */
  private readonly idle: Http1Endpoint[] = []
  private sessions: Http2Endpoint[] = []
  /** Asked over HTTP/2 while a session is being opened: one handshake for all of them. */
  private waiting: Waiting[] = []
  private opening = 0
  /** What the endpoint agreed on by ALPN. */
  private protocol: 'http1' | 'http2' | 'unknown'
  private tlsSession: Buffer | undefined
  private isClosed = false

  constructor(
    pool: Pool,
    endpoint: Endpoint,
    poolTls: () => PoolTls,
    mayConnect: () => boolean,
    introduction?: Introduction,
  ) {
    this.introduction = introduction
    this.pool = pool
    this.endpoint = endpoint
    this.poolTls = poolTls
    this.mayConnect = mayConnect
    this.protocol = protocolOf(endpoint)
  }

  keep(pool: Pool, endpoint: Endpoint): boolean {
    const same =
      placeOf(endpoint) === placeOf(this.endpoint) && JSON.stringify(pool.tls) === JSON.stringify(this.pool.tls)
    if (same) {
      this.pool = pool
      this.endpoint = endpoint
    }
    return same
  }

  ask(question: Question, asker: Asker, connectMs: number): Call {
    if (this.protocol === 'http1' || (question.isUpgrade && !this.mayTakeTunnels)) {
      return this.askHttp1(question, asker, connectMs)
    }
    const session = this.sessions.find(one => one.hasRoom && (!question.isUpgrade || one.takesTunnels))
    if (session !== undefined) return session.ask(question, asker)
    const waiting = new Waiting(this, question, asker, connectMs)
    this.waiting.push(waiting)
    // As long as nobody knows what the endpoint speaks, each opens its own.
    const mayOpen = this.opening === 0 && this.sessions.length < mostSessions
    if (mayOpen || this.protocol === 'unknown') this.openFor(connectMs)
    return waiting
  }

  /** Whether a WebSocket may be a stream. Where nothing but HTTP/2 is spoken the endpoint is heard before that is settled. */
  private get mayTakeTunnels(): boolean {
    const settled = this.sessions.find(one => one.isSettled)
    return settled === undefined ? isHttp2Scheme(this.endpoint.address.scheme) : settled.takesTunnels
  }

  close(): void {
    this.isClosed = true
    for (const connection of this.idle.splice(0)) connection.destroy()
    for (const session of this.sessions) session.leave()
  }

  leaveWaiting(waiting: Waiting): void {
    const at = this.waiting.indexOf(waiting)
    if (at !== -1) this.waiting.splice(at, 1)
  }

  private askHttp1(question: Question, asker: Asker, connectMs: number): Call {
    for (;;) {
      const connection = this.idle.pop()
      if (connection === undefined) break
      if (connection.isIdle) return this.askOn(connection, question, asker, connectMs)
    }
    const calling = new Calling()
    const connecting = this.connect(['http/1.1'], connectMs, (socket, failure) => {
      if (calling.isOver) socket?.destroy()
      else if (socket === undefined) asker.failed(failure!)
      else calling.call = this.http1On(socket).ask(question, asker, nothing)
    })
    calling.call = { cancel: connecting }
    return calling
  }

  private askOn(connection: Http1Endpoint, question: Question, asker: Asker, connectMs: number): Call {
    const calling = new Calling()
    calling.call = connection.ask(question, asker, () => {
      // The endpoint closed it at this very moment: nothing was said, so a fresh one is asked.
      if (!calling.isOver) calling.call = this.askHttp1(question, asker, connectMs)
    })
    return calling
  }

  private http1On(socket: Socket): Http1Endpoint {
    return new Http1Endpoint(
      socket,
      connection => this.free(connection),
      connection => this.forget(connection),
    )
  }

  private free(connection: Http1Endpoint): void {
    if (this.isClosed || this.idle.length >= mostIdle) {
      connection.destroy()
      return
    }
    const keptMs = connection.keepsMs === undefined ? idleMs : Math.min(connection.keepsMs - marginMs, longestIdleMs)
    if (keptMs <= 0) {
      connection.destroy()
      return
    }
    this.idle.push(connection)
    connection.idleSince(keptMs)
  }

  private forget(connection: Http1Endpoint): void {
    const at = this.idle.indexOf(connection)
    if (at !== -1) this.idle.splice(at, 1)
  }

  /** One more connection for those who wait, whatever it turns out to speak. */
  private openFor(connectMs: number): void {
    this.opening += 1
    this.connect(this.protocol === 'http2' ? ['h2'] : ['h2', 'http/1.1'], connectMs, (socket, failure) => {
      this.opening -= 1
      if (socket === undefined) {
        const one = this.protocol === 'unknown' ? this.waiting.splice(0, 1) : this.waiting.splice(0)
        for (const waiting of one) waiting.asker.failed(failure!)
        return
      }
      const isHttp2 = protocolOf(this.endpoint) === 'http2' || (socket as TLSSocket).alpnProtocol === 'h2'
      this.protocol = isHttp2 ? 'http2' : 'http1'
      if (!isHttp2) {
        const waiting = this.waiting.shift()
        const connection = this.http1On(socket)
        if (waiting === undefined) this.free(connection)
        else waiting.begin(this.askOn(connection, waiting.question, waiting.asker, connectMs))
        for (const other of this.waiting.splice(0)) other.begin(this.askHttp1(other.question, other.asker, connectMs))
        return
      }
      const session = new Http2Endpoint(
        socket,
        () => this.serveWaiting(),
        closed => {
          this.sessions = this.sessions.filter(one => one !== closed)
          this.serveWaiting()
        },
      )
      this.sessions.push(session)
      this.serveWaiting()
    })
  }

  private serveWaiting(): void {
    while (this.waiting.length > 0) {
      const { isUpgrade } = this.waiting[0]!.question
      if (isUpgrade && !this.mayTakeTunnels) {
        const waiting = this.waiting.shift()!
        waiting.begin(this.askHttp1(waiting.question, waiting.asker, waiting.connectMs))
        continue
      }
      const session = this.sessions.find(one => one.hasRoom && (!isUpgrade || one.takesTunnels))
      if (session === undefined) {
        // One that has said nothing yet may be the one.
        if (isUpgrade && this.sessions.some(one => !one.isSettled)) return
        if (this.opening === 0 && this.sessions.length < mostSessions) this.openFor(this.waiting[0]!.connectMs)
        return
      }
      const waiting = this.waiting.shift()!
      waiting.begin(session.ask(waiting.question, waiting.asker))
    }
  }

  /** @returns gives the connect up; `done` is not called then */
  private connect(
    protocols: readonly string[],
    connectMs: number,
    done: (socket: Socket | undefined, failure: Failure | undefined) => void,
  ): () => void {
    if (!this.mayConnect()) {
      const late = setImmediate(() => done(undefined, failure('connect-failure', 'relay_exhausted', 'EMFILE', true)))
      return () => clearImmediate(late)
    }
    const { host, port, scheme, ip } = this.endpoint.address
    const raw = netConnect({
      ...(scheme === 'unix' ? { path: host } : { host: ip ?? host, port, lookup: unresolved }),
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: keepAliveMs,
    })
    // Kept until it is connected, and ahead of TLS.
    if (this.introduction !== undefined) raw.write(this.introduction.bytes())
    let socket: Socket = raw
    let isOver = false
    const finish = (failure: Failure | undefined) => {
      if (isOver) return
      isOver = true
      clearTimeout(timer)
      if (failure !== undefined) socket.destroy()
      done(failure === undefined ? socket : undefined, failure)
    }
    const timer = setTimeout(
      () => finish(failure('connect-failure', 'connection_timeout', `not connected within ${connectMs} ms`, true)),
      connectMs,
    )
    raw.on('error', error => {
      finish(failure('connect-failure', reasonOf(error), (error as NodeJS.ErrnoException).code, true))
    })
    raw.once('close', () =>
      finish(failure('connect-failure', 'connection_terminated', 'closed while connecting', true)),
    )
    raw.once('connect', () => {
      if (!isTlsScheme(scheme)) {
        finish(undefined)
        return
      }
      const { config, context } = this.poolTls().of(this.pool, undefined)
      const name = config?.serverName ?? (isIpLiteral(host) ? undefined : host)
      const tls = tlsConnect({
        socket: raw,
        secureContext: context.now,
        host,
        rejectUnauthorized: config?.isVerified ?? true,
        ALPNProtocols: [...protocols],
        ...(name === undefined ? {} : { servername: name }),
        ...(this.tlsSession === undefined ? {} : { session: this.tlsSession }),
      })
      socket = tls
      tls.on('session', session => {
        this.tlsSession = session
      })
      tls.on('error', error => {
        const reason = tls.authorizationError == null ? 'tls_protocol_error' : 'tls_certificate_error'
        finish(failure('connect-failure', reason, (error as NodeJS.ErrnoException).code ?? error.message, true))
      })
      tls.once('secureConnect', () => {
        const isAgreed = tls.alpnProtocol === 'h2' || !isHttp2Scheme(scheme)
        // gRPC over TLS goes by ALPN alone; without it nobody knows what the endpoint takes the bytes for.
        finish(isAgreed ? undefined : failure('connect-failure', 'tls_protocol_error', 'no h2 by ALPN', true))
      })
    })
    return () => {
      isOver = true
      clearTimeout(timer)
      socket.destroy()
      raw.destroy()
    }
  }
}

/** Asked of an endpoint that has to be connected first. */
class Waiting implements Call {
  readonly question: Question
  readonly asker: Asker
  readonly connectMs: number
  private readonly connections: EndpointConnections
  private call: Call | undefined

  constructor(connections: EndpointConnections, question: Question, asker: Asker, connectMs: number) {
    this.connections = connections
    this.question = question
    this.asker = asker
    this.connectMs = connectMs
  }

  begin(call: Call): void {
    this.call = call
  }

  cancel(): void {
    if (this.call === undefined) this.connections.leaveWaiting(this)
    else this.call.cancel()
  }
}

/** A call that may move to another connection. */
class Calling implements Call {
  call: Call | undefined
  isOver = false

  cancel(): void {
    this.isOver = true
    this.call?.cancel()
  }
}

function protocolOf({ address }: Endpoint): 'http1' | 'http2' | 'unknown' {
  return isHttp2Scheme(address.scheme) ? 'http2' : address.scheme === 'https' ? 'unknown' : 'http1'
}

function placeOf({ address }: Endpoint): string {
  return `${address.origin} ${address.ip ?? ''}`
}

function nothing(): void {}

/** Kept for each endpoint. */
const mostIdle = 256
/** HTTP/2 connections to one endpoint; beyond them requests wait for a stream. */
const mostSessions = 64
/** When the endpoint does not say how long it keeps a connection (`Keep-Alive: timeout`). */
const idleMs = 15_000
const longestIdleMs = 75_000
/** Closed so much before the endpoint would. */
const marginMs = 1_000
