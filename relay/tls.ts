// The tls door: as the tcp door, and before the decision a look at what the client asks for in its ClientHello. Without
// certificates the bytes pass through as they came, those looked at first; with them TLS ends here.

import type { FlowFacts } from '../shared/decide/facts.ts'
import type { Reason } from '../shared/decide/reason.ts'
import type { FlowListener } from '../shared/table/table.ts'
import { peekClientHello } from '../shared/wire/client-hello.ts'
import type { Admission, DoorKind } from './door.ts'
import type { Connection } from './flow.ts'
import { peek } from './peek.ts'
import { no, postgresBeginning, postgresError, yes } from './postgres.ts'
import { Side } from './side.ts'
import type { TlsEnding } from './tls-ending.ts'

/** @param ending undefined: TLS passes through */
export function tlsKind(ending: TlsEnding | undefined): DoorKind {
  return ending === undefined ? passing : endingAt(ending)
}

const passing: DoorKind = {
  learn: readHello,
  admit: flow => ({ client: flow.client, startTls: flow.startTls, carriesTls: true, protocol: undefined }),
  refuse: sayWhy,
}

function endingAt(ending: TlsEnding): DoorKind {
  return {
    learn: async (flow, facts, listener) => {
      const seen = await readHello(flow, facts, listener)
      if (typeof seen === 'string' || seen.peeked === 'hello') return seen
      // Clear bytes would reach the endpoint as if they had come through TLS.
      return seen.peeked === 'not-tls' ? 'not_tls' : 'client_hello_invalid'
    },
    admit: async (flow, facts, listener, decision): Promise<Admission | Reason> => {
      const carrier = flow.client
      const protocol = ending.choose(decision.match.alpn, facts.alpn)
      let cutReason: Reason | undefined
      flow.cut = reason => {
        cutReason = reason
        carrier.reset()
      }
      const outcome = await ending.finish(carrier.giveBack(), facts.sni, protocol)
      if (typeof outcome === 'string') return cutReason ?? outcome
      flow.client = new Side(() => outcome, carrier)
      const agreed = outcome.alpnProtocol === false ? undefined : (outcome.alpnProtocol ?? undefined)
      return { client: flow.client, startTls: listener.peek?.startTls, carriesTls: false, protocol: agreed }
    },
    refuse: sayWhy,
  }
}

/**
 * The facts with what the client asks for, or why it is not served: it said nothing in time, or went away. A client that
 * asks for TLS in its own protocol is answered first.
 */
async function readHello(flow: Connection, facts: FlowFacts, listener: FlowListener): Promise<FlowFacts | Reason> {
  const { timeoutMs, maxBytes, startTls } = listener.peek!
  const endsAt = performance.now() + timeoutMs
  if (startTls === 'postgres') {
    const refused = await answerPostgres(flow, endsAt)
    if (refused !== undefined) return refused
  }
  const { value, stopped } = await peek(
    flow,
    bytes => {
      const seen = peekClientHello(bytes.subarray(0, maxBytes))
      const isOpen = seen === 'more' || (typeof seen === 'object' && (seen.sni === 'more' || seen.alpn === 'more'))
      return isOpen && bytes.length < maxBytes ? 'more' : { seen }
    },
    endsAt - performance.now(),
  )
  if (stopped === 'timeout') return 'peek_timeout'
  if (stopped === 'ended') {
    if (flow.client.peeked().length === 0) return 'client_gone'
    return { ...facts, peeked: 'malformed' }
  }
  if (stopped !== undefined) return stopped
  const { seen } = value
  // Who asked for TLS and was told to begin has no other way to go on.
  if (seen === 'not-tls') return flow.startTls === undefined ? { ...facts, peeked: seen } : 'not_tls'
  if (seen === 'malformed') return { ...facts, peeked: seen }
  if (seen === 'more' || seen.sni === 'more') return { ...facts, peeked: 'too-long' }
  return {
    ...facts,
    peeked: 'hello',
    sni: seen.sni === 'absent' ? undefined : seen.sni,
    alpn: typeof seen.alpn === 'string' ? facts.alpn : seen.alpn,
  }
}

/** Until the client has been told that it may begin TLS, or begins with something else. A Reason refuses it. */
async function answerPostgres(flow: Connection, endsAt: number): Promise<Reason | undefined> {
  const { client } = flow
  for (;;) {
    const { value, stopped } = await peek(
      flow,
      bytes => {
        const beginning = postgresBeginning(bytes)
        return beginning === 'more' ? 'more' : { beginning }
      },
      endsAt - performance.now(),
    )
    if (stopped === 'timeout') return 'peek_timeout'
    if (stopped === 'ended') return client.peeked().length === 0 ? 'client_gone' : undefined
    if (stopped !== undefined) return stopped
    if (value.beginning === 'other') return undefined
    // What came behind the request came unencrypted, and must not be taken for the client's TLS (CVE-2021-23214).
    if (client.peeked().length > requestBytes) return 'client_hello_invalid'
    client.skip(requestBytes)
    if (value.beginning === 'ssl-request') {
      client.socket.write(yes)
      flow.startTls = 'postgres'
      return undefined
    }
    client.socket.write(no)
  }
}

/** A client that speaks TLS gets the alert that there is for it; one of Postgres its own error; all others a reset. */
function sayWhy(flow: Connection, facts: FlowFacts, listener: FlowListener, reason: Reason): void {
  const isUnknown = reason === 'destination_not_found' || reason === 'server_name_missing'
  if (facts.peeked === 'hello' && isUnknown) flow.client.sayLast(unrecognizedName, lastWordMs)
  else if (listener.peek?.startTls === 'postgres' && flow.startTls === undefined && reason === 'not_tls') {
    flow.client.sayLast(postgresError('TLS is required here: connect with sslmode=require'), lastWordMs)
  } else flow.client.reset()
}

/** A fatal alert of TLS, in the clear as all are before the keys: unrecognized_name (RFC 6066 section 3). */
const unrecognizedName: Uint8Array = Uint8Array.of(21, 3, 1, 0, 2, 2, 112)
const requestBytes = 8
const lastWordMs = 1000
