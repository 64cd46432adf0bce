// The names of endpoints, asked again whenever their time is up. A name that stops resolving keeps its last addresses; one
// that never did is asked for as long as it is wanted.

import { lookup, Resolver } from 'node:dns/promises'
import { networkInterfaces } from 'node:os'
import { isIpLiteral } from '../shared/config/endpoint-address.ts'
import type { Table } from '../shared/table/table.ts'

export interface Answer {
  /** At least one. */
  readonly ips: readonly string[]
  readonly ttlMs: number
}

/** Rejects when the name has no address. */
export type ResolveName = (name: string) => Promise<Answer>

/** One line for the log: a name has other addresses, stopped resolving, or resolves again. */
export interface NameEvent {
  /** ISO 8601 in UTC. */
  readonly time: string
  readonly event: 'name_resolved' | 'name_unresolved'
  readonly name: string
  /** Those in use from now on. */
  readonly addresses: readonly string[]
  /** What the resolver said; null when all is well. */
  readonly why: string | null
}

export class Names {
  /** Live; sorted. None for a name that has not been resolved yet. */
  readonly addresses = new Map<string, readonly string[]>()
  private readonly resolve: ResolveName
  private readonly onEvent: (event: NameEvent, isOther: boolean) => void
  private readonly timers = new Map<string, NodeJS.Timeout>()
  private readonly failures = new Map<string, number>()

  /** @param onEvent is told whether the addresses are other ones now */
  constructor(resolve: ResolveName, onEvent: (event: NameEvent, isOther: boolean) => void) {
    this.resolve = resolve
    this.onEvent = onEvent
  }

  /** Asks for these names and no others. Resolves when each new one was asked once, or after 2 s. */
  async follow(names: ReadonlySet<string>): Promise<void> {
    for (const name of this.addresses.keys()) if (!names.has(name)) this.forget(name)
    const fresh = [...names].filter(name => !this.addresses.has(name))
    for (const name of fresh) this.addresses.set(name, [])
    if (fresh.length === 0) return
    let timer: NodeJS.Timeout | undefined
    const longEnough = new Promise<void>(resolve => {
      timer = setTimeout(resolve, firstMs)
    })
    await Promise.race([Promise.all(fresh.map(name => this.ask(name))), longEnough])
    clearTimeout(timer)
  }

  stop(): void {
    for (const name of [...this.addresses.keys()]) this.forget(name)
  }

  private forget(name: string): void {
    clearTimeout(this.timers.get(name))
    this.timers.delete(name)
    this.failures.delete(name)
    this.addresses.delete(name)
  }

  private async ask(name: string): Promise<void> {
    let againMs: number
    try {
      const { ips, ttlMs } = await this.resolve(name)
      if (!this.addresses.has(name)) return
      this.note(name, [...new Set(ips)].sort())
      againMs = Math.min(Math.max(ttlMs, leastTtlMs), mostTtlMs)
    } catch (error) {
      if (!this.addresses.has(name)) return
      againMs = this.noteFailure(name, error as NodeJS.ErrnoException)
    }
    this.timers.set(name, setTimeout(() => void this.ask(name), againMs).unref())
  }

  private note(name: string, ips: readonly string[]): void {
    const before = this.addresses.get(name)!
    const isOther = before.join() !== ips.join()
    const hasFailed = this.failures.delete(name)
    this.addresses.set(name, ips)
    if (isOther || hasFailed) this.onEvent(this.event('name_resolved', name, null), isOther)
  }

  private noteFailure(name: string, error: NodeJS.ErrnoException): number {
    const failures = this.failures.get(name) ?? 0
    this.failures.set(name, failures + 1)
    if (failures === 0) this.onEvent(this.event('name_unresolved', name, error.code ?? error.message), false)
    return Math.min(leastTtlMs * 2 ** failures, longestRetryMs)
  }

  private event(event: NameEvent['event'], name: string, why: string | null): NameEvent {
    return { time: new Date().toISOString(), event, name, addresses: this.addresses.get(name)!, why }
  }
}

/** The names among the hosts of a table's endpoints. */
export function namesIn(table: Table): Set<string> {
  const names = new Set<string>()
  for (const { endpoints } of table.pools) {
    for (const { address } of endpoints) {
      const hasName = address.scheme !== 'unix' && address.scheme !== 'binding'
      if (hasName && !isIpLiteral(address.host)) names.add(address.host)
    }
  }
  return names
}

/**
 * Asks DNS for A and AAAA, with their TTL, of these servers (`10.0.0.2:53`) or the system's. What DNS does not know the
 * system may: names of the hosts file, and those that need a search domain; they are asked for again after 30 s.
 * AAAA counts only where the machine has an IPv6 address that reaches beyond it, as with getaddrinfo's AI_ADDRCONFIG.
 */
export function resolveBy(servers: readonly string[] = []): ResolveName {
  const resolver = new Resolver({ timeout: 2_000, tries: 2 })
  if (servers.length > 0) resolver.setServers(servers)
  return async name => {
    // RFC 6761 section 6.3: never asked of DNS.
    const isLocal = name === 'localhost' || name.endsWith('.localhost')
    const answer = isLocal ? [] : await askDns(resolver, name)
    if (answer.length === 0) {
      const found = await lookup(name, { all: true })
      return { ips: found.map(({ address }) => address), ttlMs: lookupTtlMs }
    }
    return { ips: answer.map(({ address }) => address), ttlMs: 1_000 * Math.min(...answer.map(({ ttl }) => ttl)) }
  }
}

async function askDns(resolver: Resolver, name: string) {
  const [four, six] = await Promise.allSettled([
    resolver.resolve4(name, { ttl: true }),
    hasIpv6() ? resolver.resolve6(name, { ttl: true }) : [],
  ])
  return [four, six].flatMap(part => (part.status === 'fulfilled' ? part.value : []))
}

function hasIpv6(): boolean {
  return Object.values(networkInterfaces()).some(addresses =>
    addresses?.some(({ family, internal, address }) => family === 'IPv6' && !internal && !address.startsWith('fe80:')),
  )
}

/** How long a start or a reload waits for names. */
const firstMs = 2_000
const leastTtlMs = 1_000
const mostTtlMs = 3_600_000
const longestRetryMs = 30_000
const lookupTtlMs = 30_000
