// What things of ours are called in nftables. Names say whose they are and never hold a character that nft reads otherwise.

import { hash32 } from '../../shared/pool/hash.ts'
import type { FlowListener } from '../../shared/table/table.ts'

/** One in each family that is needed; nothing outside is touched. */
export const tableName = 'fourseven'

/**
 * `web.v4.tcp` for the listener `web`: stable over reloads and restarts, and another one where the type of what it holds
 * would be another. A listener whose name has characters that nft does not take gets a hash behind it.
 */
export function listenerId(listener: Pick<FlowListener, 'name' | 'kind'>, family: 4 | 6): string {
  return `${plain(listener.name)}.v${family}.${listener.kind}`
}

/** Of a pool, an endpoint or whatever else has a name. */
export function plain(name: string): string {
  if (/^[A-Za-z][A-Za-z0-9_]*$/.test(name)) return name
  const safe = name.replace(/[^A-Za-z0-9_]/g, '_')
  return `n_${safe}_${hash32(name).toString(36)}`
}

/** `10.0.0.1_80`, `2001_db8__1_80`. */
export function placeId(ip: string, port: number): string {
  return `${ip.replaceAll(':', '_')}_${port}`
}
