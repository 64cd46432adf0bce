// Who is let in at a listener beyond how many there may be in all: by address, by how many come from it, and by how fast
// they come. What is counted is counted at the listener's gate, over all threads.

import type { FlowFacts } from '../shared/decide/facts.ts'
import type { Reason } from '../shared/decide/reason.ts'
import type { FlowListener } from '../shared/table/table.ts'
import { type Address, cidrContains, splitKeyOf } from '../shared/wire/address.ts'
import type { Counted } from './address-counts.ts'
import type { Gate } from './gate.ts'

/** Whether one more may come now. Undefined lets it in. */
export function admitPace(gate: Gate, { acceptRate }: FlowListener, now: number): Reason | undefined {
  if (acceptRate === Number.POSITIVE_INFINITY || gate.keepsPace(acceptRate, now)) return undefined
  return 'accept_rate'
}

/**
 * Whether this client may come in, by the address that is believed: the one a PROXY header carried, where one is
 * required. A client without an address (a unix socket) is under no limit of addresses. With a Reason it may not; else
 * what is counted of it, which `leaveAddress` takes back: undefined where the listener does not limit by address.
 */
export function admitAddress(gate: Gate, listener: FlowListener, facts: FlowFacts): Reason | Counted | undefined {
  const { address } = facts
  if (address === undefined) return undefined
  const { allow, deny, maxConnectionsPerAddress } = listener
  if (allow.length > 0 && !holds(allow, address)) return 'address_denied'
  if (deny.length > 0 && holds(deny, address)) return 'address_denied'
  if (maxConnectionsPerAddress === Number.POSITIVE_INFINITY) return undefined
  return gate.addresses.add(splitKeyOf(address), maxConnectionsPerAddress) ?? 'address_limit'
}

export function leaveAddress(gate: Gate, counted: Counted | undefined): void {
  if (counted !== undefined) gate.addresses.takeOff(counted)
}

function holds(cidrs: FlowListener['allow'], address: Address): boolean {
  for (const cidr of cidrs) if (cidrContains(cidr, address)) return true
  return false
}
