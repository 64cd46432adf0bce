// The PROXY header in front of a connection: from whom it is taken, and what it changes in the facts.

import type { Socket } from 'node:net'
import type { FlowFacts } from '../shared/decide/facts.ts'
import type { Reason } from '../shared/decide/reason.ts'
import type { FlowListener } from '../shared/table/table.ts'
import { type Address, cidrContains } from '../shared/wire/address.ts'
import { type ProxyHeader, type ProxyHeaderProblem, readProxyHeader } from '../shared/wire/proxy-header.ts'
import type { Connection } from './flow.ts'
import { peek } from './peek.ts'

/** Whether connections of this peer begin with a header. Never guessed from the bytes: anyone could send one. */
export function mustCarry(listener: FlowListener, peer: Address | undefined): boolean {
  return proxySourceOf(listener, peer)?.isRequired ?? false
}

/** What the listener says of this peer; undefined when it does not name it. */
export function proxySourceOf(listener: FlowListener, peer: Address | undefined) {
  if (peer === undefined) return undefined
  return listener.proxySources.find(({ cidr }) => cidrContains(cidr, peer))
}

/**
 * Waits for the header, takes it out of what is sent on and gives the facts as it has them; or the reason to refuse the
 * connection. The header may take 3 s (spec section 2: at least that, since a segment may have to be sent again).
 */
export async function readCarried(flow: Connection, facts: FlowFacts): Promise<FlowFacts | Reason> {
  const { value, stopped } = await peek(flow, readProxyHeader, longestMs)
  if (stopped === 'timeout') return 'proxy_header_timeout'
  if (stopped === 'ended') return flow.client.peeked().length === 0 ? 'client_gone' : 'proxy_header_malformed'
  if (stopped !== undefined) return stopped
  if ('reason' in value) return refusals[value.reason]
  flow.client.skip(value.length)
  return withHeader(facts, value.header)
}

/** The same at a door that reads its connections itself; what follows the header is put back. */
export function readCarriedFrom(socket: Socket, facts: FlowFacts): Promise<FlowFacts | Reason> {
  return new Promise(resolve => {
    let bytes = Buffer.alloc(0)
    const settle = (outcome: FlowFacts | Reason, rest?: Buffer) => {
      clearTimeout(timer)
      for (const [event, listener] of listeners) socket.off(event, listener)
      socket.pause()
      if (rest !== undefined && rest.length > 0) socket.unshift(rest)
      resolve(outcome)
    }
    const look = (chunk: Buffer) => {
      bytes = Buffer.concat([bytes, chunk])
      const read = readProxyHeader(bytes)
      if (read === 'more') return
      if ('reason' in read) settle(refusals[read.reason])
      else settle(withHeader(facts, read.header), bytes.subarray(read.length))
    }
    const gone = () => settle(bytes.length === 0 ? 'client_gone' : 'proxy_header_malformed')
    const listeners = [
      ['data', look],
      ['end', gone],
      ['close', gone],
    ] as const
    const timer = setTimeout(() => settle('proxy_header_timeout'), longestMs)
    for (const [event, listener] of listeners) socket.on(event, listener)
    socket.resume()
  })
}

/** Under LOCAL and UNKNOWN the peer is the client. */
export function withHeader(facts: FlowFacts, proxyHeader: ProxyHeader): FlowFacts {
  const { says } = proxyHeader
  if (says.of === 'inet') {
    const { source, destination } = says
    return {
      ...facts,
      clientAddress: source.address.text,
      address: source.address,
      clientPort: source.port,
      localAddress: destination.address.text,
      localPort: destination.port,
      proxyHeader,
    }
  }
  if (says.of !== 'unix') return { ...facts, proxyHeader }
  return {
    ...facts,
    clientAddress: `unix:${says.source}`,
    address: undefined,
    clientPort: 0,
    localAddress: `unix:${says.destination}`,
    localPort: 0,
    proxyHeader,
  }
}

export const refusals = {
  missing: 'proxy_header_missing',
  malformed: 'proxy_header_malformed',
  checksum: 'proxy_header_checksum',
} as const satisfies Record<ProxyHeaderProblem, Reason>
const longestMs = 3_000
