// Which of two matches that both hold comes first. The order is fixed (Gateway API HTTPRoute, with regex between exact
// and prefix as nginx and Envoy Gateway have it) and known at compile, so that at run time the first hit wins.

import type { HttpMatchConfig } from '../config/parsed.ts'
import { isWildcard } from './hostname.ts'
import type { FlowMatch } from './table.ts'

/** One number per step, lower first; compared from the left. */
export type Rank = readonly number[]

/** The steps in their order, in words for explain. */
export const precedenceSteps = [
  'most characters in a hostname without wildcard',
  'most characters in a wildcard hostname',
  'path kind: exact, then regex, then prefix',
  'longest path',
  'a method match',
  'most header and cookie matches',
  'most query matches',
  'most address and country matches',
  'list order',
] as const
export type PrecedenceStep = (typeof precedenceSteps)[number]

/** The two hostname steps. A full rank is these and then those of the match. */
export function rankOfHost(hostname: string | undefined): Rank {
  if (hostname === undefined) return [0, 0]
  return isWildcard(hostname) ? [0, -hostname.length] : [-hostname.length, 0]
}

/** The steps after the hostname: enough to sort the matches of one hostname. `order` is its place in the whole config. */
export function matchRank(match: HttpMatchConfig, order: number): Rank {
  return [
    pathKinds.indexOf(match.path.kind),
    -match.path.value.length,
    match.methods.length > 0 ? 0 : 1,
    -(match.headers.length + match.cookies.length),
    -match.queries.length,
    -((match.addresses.length > 0 ? 1 : 0) + (match.countries.length > 0 ? 1 : 0)),
    order,
  ]
}

export function compareRanks(a: Rank, b: Rank): number {
  const step = decidingIndex(a, b)
  return step === -1 ? 0 : a[step]! - b[step]!
}

/** The step at which two full ranks part. */
export function decidingStep(a: Rank, b: Rank): PrecedenceStep {
  return precedenceSteps[decidingIndex(a, b)] ?? 'list order'
}

/** The steps for flows, in words for explain. */
export const flowSteps = [
  'a whole server name',
  'most characters in a wildcard server name',
  'a protocol (ALPN) match',
  'the narrowest client address',
  'list order',
] as const

/** Sorts the matches of a flow listener by `flowSteps`; the sort is stable, so ties keep list order. */
export function compareFlowMatches(a: FlowMatch, b: FlowMatch): number {
  return compareRanks(flowRank(a), flowRank(b))
}

/** The step at which two matches part. */
export function decidingFlowStep(a: FlowMatch, b: FlowMatch): (typeof flowSteps)[number] {
  return flowSteps[decidingIndex(flowRank(a), flowRank(b))] ?? 'list order'
}

function flowRank(match: FlowMatch): Rank {
  const { sni, alpn, cidrs } = match
  const isWhole = sni !== undefined && !isWildcard(sni)
  return [isWhole ? 0 : 1, isWhole || sni === undefined ? 0 : -sni.length, alpn.length > 0 ? 0 : 1, -narrowness(cidrs)]
}

/** The length of the prefix; no network is the widest. Two of different families never take the same client. */
function narrowness(cidrs: FlowMatch['cidrs']): number {
  return cidrs[0]?.prefix ?? -1
}

function decidingIndex(a: Rank, b: Rank): number {
  return a.findIndex((value, i) => value !== b[i])
}

const pathKinds = ['exact', 'regex', 'prefix']
