// Pools for tests: what matters is written out, the rest is default.

import type { EndpointConfig, PoolConfig } from '../../../shared/config/parsed.ts'
import { createObserved, type Observed } from '../../../shared/pool/observed.ts'
import { compilePool, type Endpoint, type Pool } from '../../../shared/pool/pool.ts'

export type EndpointSketch = Partial<EndpointConfig> & { readonly name: string }

/** `{ a: 5, b: 1 }` gives endpoints by name and weight; a list gives them whole. */
export function makePool(
  sketch: Readonly<Record<string, number>> | readonly EndpointSketch[],
  settings: Partial<Omit<PoolConfig, 'endpoints'>> = {},
): Pool {
  const endpoints: readonly EndpointSketch[] = Array.isArray(sketch)
    ? sketch
    : Object.entries(sketch).map(([name, weight]) => ({ name, weight }))
  let slot = 0
  return compilePool(
    {
      name: 'pool',
      balance: { by: 'round-robin' },
      panicPercent: 50,
      overprovisioning: 1.4,
      slowStartMs: 0,
      affinity: undefined,
      outlier: undefined,
      maxRequests: Number.POSITIVE_INFINITY,
      maxRequestsPerEndpoint: Number.POSITIVE_INFINITY,
      retryBudget: { percent: 20, perSecond: undefined },
      tls: undefined,
      sendProxy: undefined,
      probe: undefined,
      queue: undefined,
      ...settings,
      endpoints: endpoints.map(endpoint => ({
        address: `tcp://${endpoint.name}:80`,
        weight: 1,
        priority: 0,
        ...endpoint,
      })),
    },
    0,
    text => ({ scheme: 'tcp', host: text.slice(6, -3), port: 80, base: '', origin: text }),
    () => slot++,
  )
}

export function makeObserved(pool: Pool, firstTurn = 0, shared = false): Observed {
  return createObserved({ slots: pool.endpoints.length, pools: 1, shared, firstTurn })
}

/** `count` endpoints `e000`, `e001`, … */
export function many(count: number, weight: (index: number) => number = () => 1): Record<string, number> {
  return Object.fromEntries(
    Array.from({ length: count }, (_, index) => [`e${String(index).padStart(3, '0')}`, weight(index)]),
  )
}

export function named(pool: Pool, name: string): Endpoint {
  return pool.endpoints.find(endpoint => endpoint.name === name)!
}

/** Whether `hits` of `tries` is within five standard deviations of what the probability says. */
export function isFiveSigma(hits: number, tries: number, probability: number): boolean {
  return Math.abs(hits - tries * probability) <= 5 * Math.sqrt(tries * probability * (1 - probability)) + 1e-9
}

/** A moment: the tests' clock starts here. */
export const noon = 1_800_000_000_000
