// What an isolate holds between requests: the table, what it has seen, its keys. Made once, at the first request: at
// module scope there is no clock and no chance.

import { openSeen, type Seen } from '../shared/attempt/seen.ts'
import { type CacheSeen, openCacheSeen } from '../shared/cache/exchange.ts'
import type { Ban } from '../shared/cache/purge.ts'
import type { Config } from '../shared/config/parsed.ts'
import { type HttpMetrics, openHttpMetrics, renderHttpMetrics } from '../shared/metrics/http-metrics.ts'
import { markEndpoints } from '../shared/overlay/mark.ts'
import { emptyOverlay } from '../shared/overlay/overlay.ts'
import { createObserved } from '../shared/pool/observed.ts'
import { compile } from '../shared/table/compile.ts'
import type { Table } from '../shared/table/table.ts'
import { findControl } from './control/find.ts'
import { type Follow, openFollow } from './control/follow.ts'
import { cookieKeysOf, type Env, variablesOf } from './env.ts'
import { type OperatorApp, openOperator } from './operator.ts'

export interface Isolate {
  /** Another one with each change of weights: read it once for a request. */
  table: Table
  readonly seen: Seen
  readonly metrics: HttpMetrics
  /** Where `binding:NAME` endpoints are found. */
  readonly bindings: Env
  readonly cached: CacheSeen
  /** Some rule stores answers. */
  readonly hasCache: boolean
  /** Purges that are in force. */
  bans: readonly Ban[]
  /** The first one signs; empty when cookies are not signed. */
  readonly cookieKeys: readonly string[]
  /** Undefined without a token: then its paths are routed like any other. */
  readonly operator: OperatorApp | undefined
  /** Undefined without a control object. */
  readonly follow: Follow | undefined
  /** When to look what holds now, in milliseconds since 1970; never without a control object. */
  lookAt: number
}

/** Throws ConfigError when a variable of the config is unset here or makes an address that cannot be read. */
export function openIsolate(config: Config, env: Env): Isolate {
  const table = compile(config, variablesOf(env))
  const size = { slots: table.slots.size, pools: table.pools.length }
  // Each isolate starts its round robin elsewhere: a thousand fresh ones must not all begin with the first endpoint.
  const firstTurn = Math.floor(Math.random() * 0x1_0000_0000)
  const observed = createObserved({ ...size, shared: false, firstTurn })
  // Until a verdict says otherwise, endpoints that start down are down.
  markEndpoints(observed, table, emptyOverlay, undefined, Date.now(), { skewMs: 0, probes: 'elsewhere' })
  const seen = openSeen(observed, size)
  const metrics = openHttpMetrics(table)
  const token = env.FOURSEVEN_OPERATOR_TOKEN
  const hasControl = findControl(env) !== undefined
  return {
    table,
    seen,
    metrics,
    bindings: env,
    cached: openCacheSeen(),
    hasCache: config.routes.some(route => route.layer === 7 && route.rules.some(rule => rule.cache !== undefined)),
    bans: [],
    cookieKeys: cookieKeysOf(env),
    operator:
      token === undefined || token === ''
        ? undefined
        : openOperator(
            token,
            config,
            () => renderHttpMetrics(metrics, table, seen.observed, Date.now()),
            () => findControl(env),
          ),
    follow: hasControl ? openFollow(() => findControl(env)!, table) : undefined,
    lookAt: hasControl ? 0 : Number.POSITIVE_INFINITY,
  }
}
