// unknown -> Config, or a ConfigError with every problem at once. After this nothing asks again whether a field is there.

import * as z from 'zod'
import { checkTogether } from './check-together.ts'
import { defaults } from './defaults.ts'
import type { Variables } from './endpoint-address.ts'
import { collectFindings, type Locate } from './findings.ts'
import { readCacheStore } from './parse-cache-store.ts'
import { type ExpectedCase, readCases } from './parse-expect.ts'
import { readListeners } from './parse-listener.ts'
import { readPools } from './parse-pool.ts'
import { readRoutes } from './parse-route.ts'
import type { Config } from './parsed.ts'
import { copyPlain } from './plain.ts'
import { ConfigError, type Problem } from './problem.ts'
import { cacheStore } from './schema-http.ts'
import { threads } from './schema-values.ts'
import { checkStructure } from './structure.ts'

export interface ParseOptions {
  /**
   * Values for `${NAME}` in endpoint addresses, which are checked with them. Without this an address whose variables
   * have no default is taken as it is: nobody can say here what it will be.
   */
  readonly variables?: Variables
  /** Where in a text something stands. */
  readonly locate?: Locate
}

export interface Parsed {
  readonly config: Config
  /** What requests and flows are to get. No plane is told of it. */
  readonly cases: readonly ExpectedCase[]
  readonly warnings: readonly Problem[]
}

/**
 * Reads a config of any origin: the export of routes.ts, JSON, YAML. Structure is checked part by part, so that a slip in
 * one rule does not hide those of the next, and meaning wherever the structure allows.
 * @throws ConfigError with every problem found, warnings too, when at least one is an error. Nothing else, on any plain data.
 */
export function parse(input: unknown, options: ParseOptions = {}): Parsed {
  const findings = collectFindings(options.locate)
  const part = { name: 'config', schema: wholeConfig, door: undefined }
  const raw = copyPlain(input, findings)
  const { broken } = checkStructure(part, raw, [], findings)
  const whole = isObject(raw) ? raw : {}

  const listeners = readListeners(isObject(whole['listeners']) ? whole['listeners'] : {}, findings)
  const pools = readPools(isObject(whole['pools']) ? whole['pools'] : {}, options.variables, findings)
  const routes = readRoutes(Array.isArray(whole['routes']) ? whole['routes'] : [], {
    findings,
    doorOf: broken.has('listeners') ? undefined : listeners.doorOf,
    udp: listeners.udp,
    poolNames: broken.has('pools') ? undefined : pools.names,
  })
  const config: Config = {
    listeners: listeners.listeners,
    pools: pools.pools,
    routes: routes.routes,
    threads: typeof whole['threads'] === 'number' ? whole['threads'] : defaults.threads,
    cacheStore: readCacheStore(
      isObject(whole['cacheStore']) && !broken.has('cacheStore') ? whole['cacheStore'] : undefined,
      routes.routes,
      broken.has('listeners') ? undefined : listeners.doorOf,
      findings,
    ),
  }
  checkTogether(config, {
    findings,
    broken,
    addresses: pools.addresses,
    doorOf: listeners.doorOf,
    placeOf: routes.placeOf,
  })

  const isKnown = (list: string) =>
    !findings.problems.some(({ severity, path }) => severity === 'error' && path.startsWith(list))
  const cases = readCases(whole['expect'], {
    findings,
    doorOf: broken.has('listeners') ? undefined : listeners.doorOf,
    pools: isKnown('pools') ? pools.pools : undefined,
    routes: isKnown('routes') ? routes.routes : undefined,
  })

  if (findings.problems.some(problem => problem.severity === 'error')) throw new ConfigError(findings.problems)
  return { config, cases, warnings: findings.problems }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The three lists; what is in them is read one by one. */
const wholeConfig = z.strictObject({
  $schema: z.string().exactOptional(),
  listeners: z.record(z.string(), z.unknown()),
  pools: z.record(z.string(), z.unknown()),
  routes: z.array(z.unknown()),
  threads: threads.exactOptional(),
  cacheStore: cacheStore.exactOptional(),
  expect: z.array(z.unknown()).min(1).exactOptional(),
})
