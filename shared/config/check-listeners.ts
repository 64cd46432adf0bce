// Listeners that are right in form and hardly meant so: where nobody is let in, where everybody is believed, and where a
// connection would come back to.

import { type Cidr, formatHostPort, parseAddress, parseCidr, parseCidrs } from '../wire/address.ts'
import type { EndpointAddress } from './endpoint-address.ts'
import type { Findings, Place } from './findings.ts'
import { show } from './findings.ts'
import type { ResolvedEndpoint } from './parse-pool.ts'
import type { Config, FlowPlace, Listener, PoolConfig, Route } from './parsed.ts'

export function checkListeners(
  config: Config,
  addresses: ReadonlyMap<string, readonly ResolvedEndpoint[]>,
  findings: Findings,
): void {
  for (const listener of config.listeners) {
    const place = ['listeners', listener.name]
    if ('clientAddress' in listener && listener.clientAddress.from === 'peer') {
      checkTrust(listener.clientAddress.trustedProxies, [...place, 'clientAddress', 'trustedProxies'], findings)
    }
    if ('allow' in listener) checkAllowed(listener, place, findings)
  }
  checkOverlaps(config.listeners, findings)
  for (const pool of config.pools) {
    for (const endpoint of addresses.get(pool.name) ?? []) checkChain(pool, endpoint, config, findings)
  }
}

/** Whoever is believed about others' addresses may take any address: access lists and splits by address then hold nothing. */
function checkTrust(cidrs: readonly string[], place: Place, findings: Findings): void {
  const index = cidrs.findIndex(cidr => cidr.endsWith('/0'))
  if (index === -1) return
  const message = `${cidrs[index]} believes everybody, so that any client may say any address of itself`
  findings.warning('trusts-everyone', [...place, index], message, 'Name the addresses of the proxies in front.')
}

function checkAllowed(listener: FlowPlace, place: Place, findings: Findings): void {
  const { proxyProtocol } = listener
  if (proxyProtocol.length > 0 && proxyProtocol.every(source => !source.isRequired)) {
    const message = 'no source has to send a PROXY header, which is so without this too'
    const mend = 'Say mode: "require" for the proxies in front, or leave it out.'
    findings.warning('proxy-never-required', [...place, 'proxyProtocol'], message, mend)
  }
  const { allow, deny, maxConnections, maxConnectionsPerAddress } = listener
  const denied = parseCidrs(deny)
  const asked = allow.length > 0 ? allow : anyOf(listener)
  const isNobody = asked.every(text => {
    const cidr = parseCidr(text)
    return cidr !== undefined && denied.some(other => holdsAll(other, cidr))
  })
  if (deny.length > 0 && isNobody) {
    const message = `"deny" takes away all that ${allow.length === 0 ? 'may connect' : '"allow" lets in'}: nobody gets in`
    const mend = 'With "allow" everybody else is out already: leave "deny" for exceptions inside of it.'
    findings.warning('nobody-allowed', [...place, 'deny'], message, mend)
  }
  if (maxConnectionsPerAddress !== undefined && maxConnectionsPerAddress > maxConnections) {
    const message = `one address may have ${maxConnectionsPerAddress} and all together only ${maxConnections}: the bound of an address is never met`
    const here = [...place, 'maxConnectionsPerAddress']
    findings.warning('limit-never-met', here, message, 'Raise maxConnections, or lower maxConnectionsPerAddress.')
  }
}

/** Who can connect at all; a name or a unix socket may be anything. */
function anyOf({ host }: FlowPlace): readonly string[] {
  const address = parseAddress(host)
  if (address === undefined) return ['0.0.0.0/0', '::/0']
  return address.family === 4 ? ['0.0.0.0/0'] : ['0.0.0.0/0', '::/0']
}

function holdsAll(outer: Cidr, inner: Cidr): boolean {
  if (outer.family !== inner.family || outer.prefix > inner.prefix) return false
  return outer.words.every((word, index) => (inner.words[index]! & outer.masks[index]!) >>> 0 === word)
}

/** A socket on every address leaves none of them to another; `[::]` takes IPv4 too. That two are equal is seen elsewhere. */
function checkOverlaps(listeners: readonly Listener[], findings: Findings): void {
  const places = listeners.filter(listener => 'host' in listener && listener.port !== 0 && !isOfKernel(listener))
  for (const [index, listener] of (places as readonly (Listener & FlowPlace)[]).entries()) {
    const other = (places as readonly (Listener & FlowPlace)[])
      .slice(0, index)
      .find(
        before =>
          before.port === listener.port && isUdp(before) === isUdp(listener) && overlap(before.host, listener.host),
      )
    if (other === undefined) continue
    const all = coversAll(other.host) ? other : listener
    const message = `listener ${show(other.name)} is on port ${listener.port} too, and ${formatHostPort(all.host, all.port)} is every address`
    const place = ['listeners', listener.name, 'address']
    findings.error('duplicate-address', place, message, 'Give each a port of its own, or name the address of each.')
  }
}

function overlap(one: string, other: string): boolean {
  if (one === other) return false
  const isV4 = (host: string) => !host.includes(':')
  return [
    [one, other],
    [other, one],
  ].some(([all, some]) => all === '::' || (all === '0.0.0.0' && isV4(some!)))
}

function coversAll(host: string): boolean {
  return host === '0.0.0.0' || host === '::'
}

function isUdp({ kind }: { readonly kind: string }): boolean {
  return kind === 'udp'
}

/** The kernel forwards by rules and listens nowhere. */
function isOfKernel(listener: Listener): boolean {
  return 'kernel' in listener && listener.kernel !== undefined
}

/** An endpoint that is a listener of this very config: a loop, or a PROXY header that only one side speaks of. */
function checkChain(pool: PoolConfig, endpoint: ResolvedEndpoint, config: Config, findings: Findings): void {
  const { address, place } = endpoint
  const met = config.listeners.find(listener => isAt(listener, address))
  if (met === undefined || !('proxyProtocol' in met)) return
  const own = config.routes.find(route => route.listeners.includes(met.name) && sendsTo(route, pool.name))
  if (own !== undefined) {
    const message = `${address.origin} is listener ${show(met.name)} itself: a connection would come back to it until nothing is left`
    findings.error('listener-loop', place, message, 'Name the address of the endpoint, not of the listener.')
    return
  }
  const expects = met.proxyProtocol.some(source => source.isRequired)
  if (expects === (pool.sendProxy !== undefined)) return
  const message = expects
    ? `${address.origin} is listener ${show(met.name)}, which requires a PROXY header, and this pool sends none`
    : `${address.origin} is listener ${show(met.name)}, which takes the PROXY header that this pool sends for payload`
  const mend = expects
    ? `Say sendProxy: 2 here.`
    : `Say proxyProtocol at listeners.${met.name}, or leave sendProxy out.`
  findings.warning('proxy-mismatch', place, message, mend)
}

function sendsTo(route: Route, pool: string): boolean {
  return route.layer === 4 && route.rules.some(rule => rule.variants.some(variant => variant.pool === pool))
}

/** On any address of this machine that is the loopback at least. */
function isAt(listener: Listener, { scheme, host, port }: EndpointAddress): boolean {
  if (!('host' in listener)) return false
  if (scheme === 'unix' || listener.host.startsWith('/')) return scheme === 'unix' && listener.host === host
  if (listener.port !== port || port === 0) return false
  if (listener.host === host) return true
  const isEvery = listener.host === '0.0.0.0' || listener.host === '::'
  return isEvery && (host.startsWith('127.') || host === '::1' || host === 'localhost')
}
