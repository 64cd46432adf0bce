// The bindings of the Worker, as wrangler.toml and its secrets name them.

import { splitKeys } from '../shared/http/signing.ts'

import type { Control } from './control/control.ts'
import type { Probes } from './control/probes.ts'

export interface Env {
  /** Signs our cookies. Several, comma separated: the first signs, all are believed. */
  readonly FOURSEVEN_COOKIE_KEY?: string
  /** Opens the operator routes; without it they are not there. Letters, digits and `._~+/-=` (RFC 6750 section 2.1). */
  readonly FOURSEVEN_OPERATOR_TOKEN?: string
  /** The control object; without it nothing changes without a deploy. */
  readonly FOURSEVEN_CONTROL?: DurableObjectNamespace<Control>
  /** Probes run there; without it nothing is probed at the edge. */
  readonly FOURSEVEN_PROBES?: DurableObjectNamespace<Probes>
  /** Gets a data point for each route and variant, about once a second for each isolate. */
  readonly FOURSEVEN_ANALYTICS?: AnalyticsEngineDataset
  /** Every string among the rest fills a `${NAME}` of the config; what has a `fetch` is an endpoint `binding:NAME`. */
  readonly [variable: string]: unknown
}

export function variablesOf(env: Env): Record<string, string> {
  const variables: Record<string, string> = {}
  for (const [name, value] of Object.entries(env)) if (typeof value === 'string') variables[name] = value
  return variables
}

export function cookieKeysOf(env: Env): readonly string[] {
  return splitKeys(env.FOURSEVEN_COOKIE_KEY ?? '')
}
