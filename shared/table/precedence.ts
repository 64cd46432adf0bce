// Which of two matches that both hold comes first. The order is fixed (Gateway API HTTPRoute, with regex between exact
// and prefix as nginx and Envoy Gateway have it) and known at compile, so that at run time the first hit wins.

import type { HttpMatchConfig } from '../config/parse.ts'
import { isWildcard } from './hostname.ts'

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

function decidingIndex(a: Rank, b: Rank): number {
  return a.findIndex((value, i) => value !== b[i])
}

const pathKinds = ['exact', 'regex', 'prefix']
