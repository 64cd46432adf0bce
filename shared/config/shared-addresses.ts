// Listeners at one address. Those of HTTP may share one: each request goes to the listener with the most specific
// hostname, so they differ by hostname, and what is said of connections is said alike by all. Others may not.

import { formatHostPort } from '../wire/address.ts'
import { type Findings, listNames, show } from './findings.ts'
import type { Listener, RelayHttpListener } from './parsed.ts'

/**
 * The listeners, those of HTTP with whom they share an address. Two may ask for port 0: each gets a port of its own. Ports
 * of TCP and of UDP are not the same.
 */
export function shareAddresses(listeners: readonly Listener[], findings: Findings): readonly Listener[] {
  const firstAt = new Map<string, Listener>()
  return listeners.map(listener => {
    if (listener.kind === 'edge' || (listener.port === 0 && !listener.host.startsWith('/'))) return listener
    const address = formatHostPort(listener.host, listener.port)
    const key = `${listener.kind === 'udp' ? 'udp ' : ''}${address}`
    const first = firstAt.get(key)
    if (first === undefined) {
      firstAt.set(key, listener)
      return listener
    }
    if (first.kind === 'http' && listener.kind === 'http') {
      checkAlike(first, listener, findings)
      return { ...listener, shares: first.name }
    }
    const place = ['listeners', listener.name, 'address']
    const message = `listener ${show(first.name)} has ${address} already`
    findings.error('duplicate-address', place, message, 'Give each a place of its own.')
    return listener
  })
}

/** A connection belongs to all of them: until a request says a host, nobody knows whose it is. */
function checkAlike(first: RelayHttpListener, other: RelayHttpListener, findings: Findings): void {
  const ofConnections = (listener: RelayHttpListener) => ({
    certificates: listener.ending === undefined ? 'none' : 'some',
    clientCa: listener.ending?.clientCa,
    requireClientCertificate: listener.ending?.needsClientCertificate,
    socketMode: listener.socketMode,
    maxConnections: listener.maxConnections,
    maxConnectionsPerAddress: listener.maxConnectionsPerAddress,
    acceptRate: listener.acceptRate,
    allow: listener.allow,
    deny: listener.deny,
    proxyProtocol: listener.proxyProtocol,
    headerTimeout: listener.headerTimeoutMs,
    keepAliveTimeout: listener.keepAliveTimeoutMs,
  })
  const [one, two] = [ofConnections(first), ofConnections(other)]
  const unlike = (Object.keys(one) as (keyof typeof one)[]).filter(
    key => JSON.stringify(one[key]) !== JSON.stringify(two[key]),
  )
  if (unlike.length === 0) return
  const message = `listener ${show(first.name)} takes the connections of both and says ${listNames(unlike, 'and')} otherwise`
  const mend = 'Say the same on both, or give each an address of its own.'
  findings.error('address-shared-unlike', ['listeners', other.name, 'address'], message, mend)
}
