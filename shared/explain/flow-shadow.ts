// Finds rules of flow listeners that no connection can reach, each with a witness: a client that the rule would take and
// another rule gets. As for requests: each match is put through the production matcher, and no reachable rule is reported.

import type { Problem } from '../config/problem.ts'
import type { FlowFacts } from '../decide/facts.ts'
import { matchFlow } from '../decide/match.ts'
import { coversHost, isWildcard } from '../table/hostname.ts'
import type { FlowListener, FlowMatch, FlowRule, Table } from '../table/table.ts'
import { parseAddress } from '../wire/address.ts'
import { holdsNetwork } from './shadow.ts'

/** One warning for each rule, or match of a rule, that no connection can reach. */
export function flowShadowProblems(table: Table): Problem[] {
  const places = new Map<FlowRule, Map<number, Shadow | 'reachable'>>()
  for (const listener of table.flowListeners.values()) {
    for (const match of listener.matches) {
      const known = places.get(match.rule) ?? new Map<number, Shadow | 'reachable'>()
      places.set(match.rule, known)
      // A match stands once under each server name and on each listener; one that can be reached is enough.
      if (known.get(match.place) !== 'reachable') known.set(match.place, shadowOf(listener, match) ?? 'reachable')
    }
  }
  return [...places].flatMap(([rule, byPlace]): Problem[] => {
    const shadows = [...byPlace].flatMap(([place, shadow]) => (shadow === 'reachable' ? [] : [{ place, ...shadow }]))
    const isWhole = shadows.length === byPlace.size
    return shadows.slice(0, isWhole ? 1 : undefined).map(({ place, by, witness }): Problem => {
      const what = isWhole ? `the rule ${rule.id}` : `match ${place} of the rule ${rule.id}`
      return {
        severity: 'warning',
        code: isWhole ? 'shadowed-rule' : 'shadowed-match',
        path: isWhole ? rule.path : `${rule.path}.match[${place}]`,
        message: `${what} is shadowed: ${by.rule.id} takes every connection it could; for one, ${describe(witness)}`,
        mend: `Make its match narrower than that of ${by.rule.id}, put it before that rule, or remove it.`,
      }
    })
  })
}

interface Shadow {
  readonly by: FlowMatch
  readonly witness: FlowFacts
}

function shadowOf(listener: FlowListener, match: FlowMatch): Shadow | undefined {
  const witness = witnessFor(listener, match)
  const by = matchFlow(listener, witness)
  return by === undefined || by === match || !takesAll(by, match) ? undefined : { by, witness }
}

/** A client that the match takes and that asks for as little as can be. */
function witnessFor(listener: FlowListener, match: FlowMatch): FlowFacts {
  const text = match.cidrs[0]?.text.split('/')[0] ?? ANYBODY
  const { sni, alpn } = match
  return {
    listener: listener.name,
    clientAddress: text,
    address: parseAddress(text),
    clientPort: 0,
    localAddress: listener.host,
    localPort: listener.port,
    peerAddress: text,
    peerPort: 0,
    proxyHeader: undefined,
    peeked: listener.kind === 'tls' ? 'hello' : 'nothing',
    sni: sni !== undefined && isWildcard(sni) ? `any-label${sni.slice(1)}` : sni,
    alpn: alpn.slice(0, 1),
    now: 0,
  }
}

/** Whether `wide` holds for every connection for which `narrow` holds. */
function takesAll(wide: FlowMatch, narrow: FlowMatch): boolean {
  if (!coversHost(wide.sni, narrow.sni)) return false
  if (wide.alpn.length > 0) {
    if (narrow.alpn.length === 0 || !narrow.alpn.every(protocol => wide.alpn.includes(protocol))) return false
  }
  if (wide.cidrs.length === 0) return true
  return narrow.cidrs.length > 0 && narrow.cidrs.every(inner => wide.cidrs.some(outer => holdsNetwork(outer, inner)))
}

function describe({ clientAddress, sni, alpn }: FlowFacts): string {
  const asks = sni === undefined ? '' : `, asking for ${sni}`
  return `a client at ${clientAddress}${asks}${alpn.length === 0 ? '' : `, offering ${alpn.join(', ')}`}`
}

/** TEST-NET-3 (RFC 5737): nobody has named it. */
const ANYBODY = '203.0.113.1'
