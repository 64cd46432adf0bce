// The client keeps its endpoint by a cookie that holds a hash of the endpoint's name, or of its address when it has none:
// it tells nothing to whoever cannot guess that. The plane signs it when there is a key.

import { hash32 } from '../pool/hash.ts'
import type { Observed } from '../pool/observed.ts'
import type { Endpoint, Pool } from '../pool/pool.ts'
import { mayKeep } from '../pool/view.ts'
import type { Needs } from '../table/table.ts'
import type { CookieOut } from './decision.ts'
import type { RequestFacts } from './facts.ts'

/** The endpoint that the client's cookie names, when it may still serve it; undefined sends the client elsewhere. */
export function keptEndpoint(pool: Pool, needs: Needs, facts: RequestFacts, observed: Observed): Endpoint | undefined {
  const token = affinityToken(pool, needs, facts)
  if (token === undefined) return undefined
  const endpoint = pool.endpoints.find(candidate => tokenOf(candidate) === token)
  return endpoint !== undefined && mayKeep(pool, endpoint, observed, facts.now) ? endpoint : undefined
}

/** The cookie for the answer of `endpoint`; undefined when the pool has no affinity or the client holds it already. */
export function affinityCookie(
  pool: Pool,
  endpoint: Endpoint,
  needs: Needs,
  facts: RequestFacts,
): CookieOut | undefined {
  if (pool.affinity === undefined) return undefined
  const value = tokenOf(endpoint)
  if (affinityToken(pool, needs, facts) === value) return undefined
  return { name: pool.affinity.cookie, value, maxAgeS: pool.affinity.maxAgeS }
}

function affinityToken(pool: Pool, needs: Needs, facts: RequestFacts): string | undefined {
  if (pool.affinity === undefined) return undefined
  return facts.signedCookies[needs.signedCookies.indexOf(pool.affinity.cookie)]
}

/** 64 bits of hash over the stable id: the same on every plane and after every reload. */
function tokenOf(endpoint: Endpoint): string {
  return endpoint.hash.toString(36) + hash32(endpoint.id, TOKEN_SEED).toString(36)
}

const TOKEN_SEED = 0x6b8b4567
