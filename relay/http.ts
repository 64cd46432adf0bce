// The http door: HTTP/1.1 and HTTP/2 on one place, each request decided by itself. In the clear the first bytes say which
// of the two it is; under TLS the handshake does.

import { createServer, type Server, type Socket } from 'node:net'
import type { FlowFacts } from '../shared/decide/facts.ts'
import type { Reason } from '../shared/decide/reason.ts'
import { subDraw } from '../shared/pool/draw.ts'
import { httpDoorName } from '../shared/table/compile-http.ts'
import type { FlowListener } from '../shared/table/table.ts'
import type { Counted } from './address-counts.ts'
import { admitAddress, admitPace, leaveAddress } from './admission.ts'
import { mustCarry, readCarriedFrom } from './carried.ts'
import { mayAsk } from './descriptors.ts'
import { type Door, listenOn } from './door.ts'
import { readFacts } from './facts.ts'
import { keepAliveMs } from './forward.ts'
import type { Gate } from './gate.ts'
import { limitAge } from './http/age.ts'
import type { HttpConnection } from './http/exchange.ts'
import { Http1Connection, type Http1Terms } from './http/http1-door.ts'
import { Http2Connection } from './http/http2-door.ts'
import type { HttpPlane } from './http/plane.ts'
import { LiveRequest } from './http/request.ts'
import type { OpenTls } from './open-tls.ts'
import { flowRecord, refusal } from './record.ts'
import type { TlsEnding } from './tls-ending.ts'

/** It accepts nothing yet. */
export function openHttpDoor(plane: HttpPlane, listener: FlowListener, gate: Gate, tls: OpenTls): Door {
  const { name } = listener
  const mine = new Set<HttpConnection>()
  const servers = new Set<Server>()
  let place = listener
  let ending = tls.endings.get(name)
  /** Clients are told to go elsewhere with their next requests. */
  const stopAccepting = () => {
    for (const server of servers) if (server.listening) server.close()
    for (const connection of mine) connection.drain()
  }
  return {
    name,
    listen: handle => {
      const server = createServer({
        allowHalfOpen: true,
        pauseOnConnect: true,
        noDelay: true,
        keepAlive: true,
        keepAliveInitialDelay: keepAliveMs,
      })
      server.on('connection', socket => void accept(socket))
      servers.add(server)
      return listenOn(server, handle, gate)
    },
    stopAccepting,
    close: async () => {
      stopAccepting()
      await new Promise(resolve => setImmediate(resolve))
    },
    renew: (now, opened) => {
      place = now
      ending = opened.endings.get(name)
    },
  }

  function overLimit(now: number): Reason | undefined {
    const tooFast = admitPace(gate, place, now)
    return tooFast ?? (mayAsk(plane.shared.descriptors, mine.size) ? undefined : 'relay_exhausted')
  }

  async function accept(socket: Socket): Promise<void> {
    const { shared } = plane
    const acceptedAt = performance.now()
    const now = shared.host.now()
    let facts = readFacts(socket, name, now, place.host.startsWith('/') ? place.host : undefined)
    const refuse = (reason: Reason, end: () => void) => {
      end()
      shared.onRecord(flowRecord(facts, undefined, refusal(reason), performance.now() - acceptedAt))
    }
    const cut = () => (place.host.startsWith('/') ? socket.destroy() : socket.resetAndDestroy())
    gate.come()
    socket.on('error', nothing)
    const hasEntered = gate.enter(place.maxConnections)
    const over = hasEntered ? overLimit(now) : 'connection_limit'
    if (over !== undefined) {
      if (hasEntered) gate.leave()
      gate.refuse()
      refuse(over, cut)
      return
    }
    let counted: Counted | undefined
    const leave = () => {
      gate.leave()
      leaveAddress(gate, counted)
    }
    try {
      const carried = mustCarry(place, facts.address) ? await readCarriedFrom(socket, facts) : facts
      if (typeof carried === 'string') {
        leave()
        refuse(carried, cut)
        return
      }
      facts = carried
      const entered = admitAddress(gate, place, facts)
      if (typeof entered === 'string') {
        leave()
        refuse(entered, cut)
        return
      }
      counted = entered
      const terms = termsOf(plane, name, place)
      const spoken = await agree(socket, ending, terms)
      if (typeof spoken === 'string') {
        leave()
        refuse(spoken, () => socket.destroy())
        return
      }
      open(spoken, { ...facts, sni: spoken.serverName }, terms, leave, acceptedAt)
    } catch (bug) {
      process.emitWarning(bug as Error)
      leave()
      refuse('proxy_internal_error', cut)
    }
  }

  function open(spoken: Spoken, facts: FlowFacts, terms: Http1Terms, leave: () => void, acceptedAt: number): void {
    const { socket, isHttp2, scheme } = spoken
    const closed = (connection: HttpConnection) => {
      forgetAge()
      mine.delete(connection)
      plane.clients.delete(connection)
      leave()
      const why = connection.endedFor ?? (connection.served === 0 ? 'client_gone' : undefined)
      if (why !== undefined) {
        plane.shared.onRecord(flowRecord(facts, undefined, refusal(why), performance.now() - acceptedAt))
      }
      plane.onEnded()
    }
    const Connection = isHttp2 ? Http2Connection : Http1Connection
    const serve = (exchange: ConstructorParameters<typeof LiveRequest>[2]) => {
      void new LiveRequest(plane, name, exchange).serve()
    }
    const connection = new Connection(socket, facts, scheme, terms, serve, closed)
    const forgetAge = limitAge(connection, terms.age, subDraw(plane.shared.draw(), 'jitter'))
    mine.add(connection)
    plane.clients.add(connection)
  }
}

interface Spoken {
  readonly socket: Socket
  readonly isHttp2: boolean
  readonly scheme: 'http' | 'https'
  readonly serverName: string | undefined
}

/** Which HTTP it is to be; what was read for that is put back. */
async function agree(socket: Socket, ending: TlsEnding | undefined, terms: Http1Terms): Promise<Spoken | Reason> {
  if (ending === undefined) {
    const isHttp2 = await beginsWithPreface(socket, terms.headerTimeoutMs)
    return typeof isHttp2 === 'string' ? isHttp2 : { socket, isHttp2, scheme: 'http', serverName: undefined }
  }
  const tls = await ending.finishUnseen(socket, ['h2', 'http/1.1'])
  if (typeof tls === 'string') return tls
  // Node says false for none.
  const serverName = (tls as { readonly servername?: string | false | null }).servername || undefined
  return { socket: tls, isHttp2: tls.alpnProtocol === 'h2', scheme: 'https', serverName: serverName?.toLowerCase() }
}

/** `PRI * HTTP/2.0` (RFC 9113 section 3.4); no other method begins so. */
function beginsWithPreface(socket: Socket, ms: number): Promise<boolean | Reason> {
  return new Promise(resolve => {
    let bytes: Buffer = none
    const settle = (outcome: boolean | Reason) => {
      clearTimeout(timer)
      socket.off('data', look)
      socket.off('end', ended)
      socket.off('close', ended)
      socket.pause()
      if (bytes.length > 0) socket.unshift(bytes)
      resolve(outcome)
    }
    const look = (chunk: Buffer) => {
      bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk])
      const seen = Math.min(bytes.length, preface.length)
      const isAlike = bytes.subarray(0, seen).equals(preface.subarray(0, seen))
      if (!isAlike || seen === preface.length) settle(isAlike)
    }
    // What came so far is for HTTP/1.1 to answer, be it nothing.
    const ended = () => settle(bytes.length > 0 ? false : 'client_gone')
    const timer = setTimeout(() => settle(bytes.length > 0 ? false : 'peek_timeout'), ms)
    socket.on('data', look)
    socket.once('end', ended)
    socket.once('close', ended)
    socket.resume()
  })
}

function termsOf({ shared }: HttpPlane, name: string, { http }: FlowListener): Http1Terms {
  const { limits } = shared.table.httpDoors.get(httpDoorName(name))!.listeners[0]!
  return { limits, ...http! }
}

function nothing(): void {}

const none = Buffer.alloc(0)
const preface = Buffer.from('PRI * HTTP/2.0\r\n')
