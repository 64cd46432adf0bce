// Who is let in at a listener beyond how many there may be in all: by address, by how many come from it, and by how fast
// connections come. One of these for each listener; it lives as long as the listener does.

import type { FlowFacts } from '../shared/decide/facts.ts'
import type { Reason } from '../shared/decide/reason.ts'
import type { FlowListener } from '../shared/table/table.ts'
import { type Address, cidrContains, splitKeyOf } from '../shared/wire/address.ts'

export interface Admissions {
  /** Open by client address (IPv6 by /64); only while the listener limits them. */
  readonly byAddress: Map<string, number>
  /** Connections that may come at once now: as many as come in a second, refilled as time goes. */
  tokens: number
  /** Milliseconds since 1970. */
  filledAt: number
}

export function openAdmissions(): Admissions {
  return { byAddress: new Map(), tokens: Number.POSITIVE_INFINITY, filledAt: 0 }
}

/** Whether one more may come now: a token bucket that holds one second's worth. Undefined lets it in. */
export function admitPace(admissions: Admissions, listener: FlowListener, now: number): Reason | undefined {
  const { acceptRate } = listener
  if (acceptRate === Number.POSITIVE_INFINITY) return undefined
  const sinceS = Math.max(0, now - admissions.filledAt) / 1000
  admissions.tokens = Math.min(acceptRate, admissions.tokens + sinceS * acceptRate)
  admissions.filledAt = now
  if (admissions.tokens < 1) return 'accept_rate'
  admissions.tokens -= 1
  return undefined
}

/**
 * Whether this client may come in, by the address that is believed: the one a PROXY header carried, where one is
 * required. A client without an address (a unix socket) is under no limit of addresses. Undefined lets it in, and counts
 * it when the listener limits connections by address: then `leave` has to be called with the same key.
 */
export function admitAddress(admissions: Admissions, listener: FlowListener, facts: FlowFacts): Reason | undefined {
  const { address } = facts
  if (address === undefined) return undefined
  const { allow, deny, maxConnectionsPerAddress } = listener
  if (allow.length > 0 && !holds(allow, address)) return 'address_denied'
  if (deny.length > 0 && holds(deny, address)) return 'address_denied'
  if (maxConnectionsPerAddress === Number.POSITIVE_INFINITY) return undefined
  const key = splitKeyOf(address)
  const open = admissions.byAddress.get(key) ?? 0
  if (open >= maxConnectionsPerAddress) return 'address_limit'
  admissions.byAddress.set(key, open + 1)
  return undefined
}

/** Takes the count back that `admitAddress` made; nothing when it made none. */
export function leaveAddress(admissions: Admissions, facts: FlowFacts): void {
  const { byAddress } = admissions
  if (byAddress.size === 0 || facts.address === undefined) return
  const key = splitKeyOf(facts.address)
  const open = byAddress.get(key)
  if (open === undefined) return
  if (open > 1) byAddress.set(key, open - 1)
  else byAddress.delete(key)
}

function holds(cidrs: FlowListener['allow'], address: Address): boolean {
  for (const cidr of cidrs) if (cidrContains(cidr, address)) return true
  return false
}
