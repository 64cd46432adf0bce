// What an isolate holds between requests: the table, what it has seen, its keys. Made once, at the first request: at
// module scope there is no clock and no chance.

import type { Config } from '../shared/config/parse.ts'
import { type HttpMetrics, openHttpMetrics, renderHttpMetrics } from '../shared/metrics/http-metrics.ts'
import { compile } from '../shared/table/compile.ts'
import type { Table } from '../shared/table/table.ts'
import { cookieKeysOf, type Env, variablesOf } from './env.ts'
import { openSeen, type Seen } from './observed.ts'
import { type OperatorApp, openOperator } from './operator.ts'

export interface Isolate {
  readonly table: Table
  readonly seen: Seen
  readonly metrics: HttpMetrics
  /** Where `binding:NAME` endpoints are found. */
  readonly bindings: Env
  /** The first one signs; empty when cookies are not signed. */
  readonly cookieKeys: readonly string[]
  /** Undefined without a token: then its paths are routed like any other. */
  readonly operator: OperatorApp | undefined
}

/** Throws ConfigError when a variable of the config is unset here or makes an address that cannot be read. */
export function openIsolate(config: Config, env: Env): Isolate {
  const table = compile(config, variablesOf(env))
  const seen = openSeen(table)
  const metrics = openHttpMetrics(table)
  const token = env.FOURSEVEN_OPERATOR_TOKEN
  return {
    table,
    seen,
    metrics,
    bindings: env,
    cookieKeys: cookieKeysOf(env),
    operator:
      token === undefined || token === ''
        ? undefined
        : openOperator(token, config, () => renderHttpMetrics(metrics, table, seen.observed, Date.now())),
  }
}
