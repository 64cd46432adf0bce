// Flow rules and the listeners they stand at, each match with a rank of its own.

import type {
  Config,
  FlowRoute,
  FlowRule as FlowRuleConfig,
  ProxySourceConfig,
  RelayHttpListener,
  TlsEndingConfig,
  TlsListener,
} from '../config/parsed.ts'
import type { Pool } from '../pool/pool.ts'
import { parseCidrs } from '../wire/address.ts'
import { compileSplit } from './compile-split.ts'
import type { NeedsBook } from './needs-book.ts'
import { compareFlowMatches } from './precedence.ts'
import type { FlowListener, FlowMatch, FlowRule } from './table.ts'

export function compileFlowRule(
  route: FlowRoute,
  rule: FlowRuleConfig,
  poolNamed: (name: string) => Pool,
  needs: NeedsBook,
): FlowMatch[] {
  const compiled: FlowRule = {
    id: `${route.name}/${rule.name}`,
    route: route.name,
    name: rule.name,
    path: rule.path,
    variants: rule.variants.map(variant => ({ ...variant, pool: poolNamed(variant.pool) })),
    split: rule.split === undefined ? undefined : compileSplit(rule.split, rule.variants, needs),
    attempts: rule.attempts,
    timeouts: rule.timeouts,
    session: rule.session,
  }
  return rule.matches.flatMap((match, place) => {
    // One for each name and network, so that each has its own rank: in a list the narrow ones count as narrow.
    const networks = match.address.length === 0 ? [[]] : parseCidrs(match.address).map(cidr => [cidr])
    const names = match.sni.length === 0 ? [undefined] : match.sni
    return names.flatMap(sni => networks.map(cidrs => ({ rule: compiled, place, sni, alpn: match.alpn, cidrs })))
  })
}

export function compileFlowListeners(
  config: Config,
  matches: ReadonlyMap<FlowRoute, FlowMatch[]>,
): Map<string, FlowListener> {
  const listeners = new Map<string, FlowListener>()
  for (const listener of config.listeners) {
    if (listener.kind === 'edge' || (listener.kind === 'http' && listener.shares !== undefined)) continue
    const mine = [...matches]
      .flatMap(([route, routeMatches]) => (route.listeners.includes(listener.name) ? routeMatches : []))
      .sort(compareFlowMatches)
    const { kind, name, host, port, socketMode, maxConnections } = listener
    listeners.set(name, {
      kind,
      name,
      host,
      port,
      socketMode,
      maxConnections,
      maxConnectionsPerAddress: listener.maxConnectionsPerAddress ?? Number.POSITIVE_INFINITY,
      acceptRate: listener.acceptRate ?? Number.POSITIVE_INFINITY,
      allow: parseCidrs(listener.allow),
      deny: parseCidrs(listener.deny),
      peek: listener.kind === 'tls' ? listener.peek : undefined,
      ending: 'ending' in listener ? sharedEnding(listener, config) : undefined,
      kernel: listener.kernel,
      sessionKey: listener.kind === 'udp' ? listener.key : undefined,
      http:
        listener.kind === 'http'
          ? {
              hasCache: storesAnswers(listener.name, config),
              headerTimeoutMs: listener.headerTimeoutMs,
              keepAliveTimeoutMs: listener.keepAliveTimeoutMs,
              age: {
                maxMs: listener.maxConnectionAgeMs ?? Number.POSITIVE_INFINITY,
                graceMs: listener.maxConnectionAgeGraceMs ?? Number.POSITIVE_INFINITY,
              },
            }
          : undefined,
      proxySources: compileProxySources(listener.proxyProtocol),
      matches: mine,
      byName: groupByName(mine),
      anyName: mine.filter(match => match.sni === undefined),
    })
  }
  return listeners
}

/** At this listener or one that shares its address. */
function storesAnswers(name: string, config: Config): boolean {
  const names = config.listeners.flatMap(other =>
    other.name === name || (other.kind === 'http' && other.shares === name) ? [other.name] : [],
  )
  return config.routes.some(
    route =>
      route.layer === 7 &&
      route.listeners.some(at => names.includes(at)) &&
      route.rules.some(({ cache }) => cache !== undefined),
  )
}

/** With the certificates of the listeners that share the address, its own first. */
function sharedEnding(listener: RelayHttpListener | TlsListener, config: Config): TlsEndingConfig | undefined {
  if (listener.ending === undefined || listener.kind === 'tls') return listener.ending
  const others = config.listeners.filter(other => other.kind === 'http' && other.shares === listener.name)
  const certificates = [listener, ...(others as RelayHttpListener[])].flatMap(
    ({ ending }) => ending?.certificates ?? [],
  )
  const files = new Map(certificates.map(pair => [pair.cert, pair]))
  return { ...listener.ending, certificates: [...files.values()] }
}

function compileProxySources(sources: readonly ProxySourceConfig[]): FlowListener['proxySources'] {
  return sources
    .flatMap(({ cidrs, ...mode }) => parseCidrs(cidrs).map(cidr => ({ cidr, ...mode })))
    .sort((a, b) => b.cidr.prefix - a.cidr.prefix)
}

function groupByName(matches: readonly FlowMatch[]): Map<string, FlowMatch[]> {
  const groups = new Map<string, FlowMatch[]>()
  for (const match of matches) {
    if (match.sni === undefined) continue
    const group = groups.get(match.sni)
    if (group === undefined) groups.set(match.sni, [match])
    else group.push(match)
  }
  return groups
}
