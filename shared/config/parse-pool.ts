// Pools: groups of interchangeable endpoints.

import type { BalanceInput, OutlierInput, PoolInput, QueueInput } from './config-pool.ts'
import type { Duration } from './config-values.ts'
import { bounds, defaults } from './defaults.ts'
import { type EndpointAddress, parseEndpointAddress, resolveVariables, type Variables } from './endpoint-address.ts'
import { type Findings, type Place, show } from './findings.ts'
import { readProbe } from './parse-probe.ts'
import { readSendProxy } from './parse-proxy.ts'
import { readEndpointTls } from './parse-tls.ts'
import type { Balance, EndpointConfig, OutlierConfig, PoolConfig, QueueConfig } from './parsed.ts'
import { checkCookieName, checkHeaderName, checkName, readDuration } from './read-values.ts'
import { endpoint as endpointSchema, poolPart } from './schema-pool.ts'
import { checkStructure } from './structure.ts'
import { formatDuration } from './units.ts'

export interface ReadPools {
  readonly pools: readonly PoolConfig[]
  readonly names: ReadonlySet<string>
  /** By pool: the addresses that could be read, with the variables filled in. */
  readonly addresses: ReadonlyMap<string, readonly ResolvedEndpoint[]>
}

export interface ResolvedEndpoint {
  readonly place: Place
  readonly address: EndpointAddress
}

export function readPools(
  input: Readonly<Record<string, unknown>>,
  variables: Variables | undefined,
  findings: Findings,
): ReadPools {
  const pools: PoolConfig[] = []
  const addresses = new Map<string, readonly ResolvedEndpoint[]>()
  for (const [name, raw] of Object.entries(input)) {
    const place = ['pools', name]
    checkName(name, place, 'pool', findings)
    const resolved: ResolvedEndpoint[] = []
    const pool = readPool(name, raw, place, variables, resolved, findings)
    if (pool !== undefined) pools.push(pool)
    addresses.set(name, resolved)
  }
  return { pools, names: new Set(Object.keys(input)), addresses }
}

function readPool(
  name: string,
  raw: unknown,
  place: Place,
  variables: Variables | undefined,
  resolved: ResolvedEndpoint[],
  findings: Findings,
): PoolConfig | undefined {
  const { value } = checkStructure({ name: 'pool', schema: poolPart, door: undefined }, raw, place, findings)
  if (value === undefined) return undefined
  const limits = value.limits ?? {}
  const budget = value.retryBudget ?? {}
  return {
    name,
    endpoints: readEndpoints(
      value.endpoints,
      value.closed ?? false,
      [...place, 'endpoints'],
      variables,
      resolved,
      findings,
    ),
    balance: readBalance(value.balance ?? defaults.balance, [...place, 'balance'], findings),
    panicPercent: value.panicPercent ?? defaults.panicPercent,
    overprovisioning: value.overprovisioning ?? defaults.overprovisioning,
    slowStartMs: readDuration(value.slowStart, '0ms', [0, bounds.timeoutMs[1]], [...place, 'slowStart'], findings),
    affinity: readAffinity(value.affinity, [...place, 'affinity'], findings),
    outlier: readOutlier(value.outlier ?? {}, [...place, 'outlier'], findings),
    maxRequests: limits.maxRequests,
    maxRequestsPerEndpoint: limits.maxRequestsPerEndpoint,
    retryBudget: { percent: budget.percent ?? defaults.retryBudgetPercent, perSecond: budget.perSecond },
    tls: readEndpointTls(value.tls, [...place, 'tls'], findings),
    sendProxy: readSendProxy(value.sendProxy, [...place, 'sendProxy'], findings),
    probe: readProbe(value.probe, [...place, 'probe'], findings),
    queue: readQueue(value.queue, limits, place, findings),
  }
}

function readQueue(
  input: QueueInput | undefined,
  limits: NonNullable<PoolInput['limits']>,
  place: Place,
  findings: Findings,
): QueueConfig | undefined {
  if (input === undefined) return undefined
  const here = [...place, 'queue']
  if (limits.maxRequests === undefined && limits.maxRequestsPerEndpoint === undefined) {
    const message = 'nobody waits where there is no limit'
    findings.warning('queue-without-limit', here, message, 'Write limits.maxRequestsPerEndpoint, or leave "queue" out.')
  }
  const timeoutMs = readDuration(input.timeout, defaults.queueTimeout, bounds.timeoutMs, [...here, 'timeout'], findings)
  return { max: input.max ?? defaults.queueMax, timeoutMs }
}

/** Each endpoint is read by itself; names have to differ, and so do addresses that stand in for names. In a closed pool none has a weight. */
function readEndpoints(
  input: unknown,
  isClosed: boolean,
  place: Place,
  variables: Variables | undefined,
  resolved: ResolvedEndpoint[],
  findings: Findings,
): readonly EndpointConfig[] {
  if (!Array.isArray(input)) {
    findings.error('wrong-type', place, 'the endpoints of a pool are a list', 'Write a list of addresses.')
    return []
  }
  if (input.length === 0) {
    const mend = 'Name at least one address, or say `closed: true`.'
    if (!isClosed) findings.error('no-endpoints', place, 'the pool has no endpoints', mend)
    return []
  }
  const endpoints: EndpointConfig[] = []
  const names = new Map<string, Place>()
  for (const [index, raw] of input.entries()) {
    const here = [...place, index]
    const { value } = checkStructure({ name: 'endpoint', schema: endpointSchema, door: undefined }, raw, here, findings)
    if (value === undefined) continue
    const written = typeof value === 'string' ? { address: value } : value
    const { address, name, weight = defaults.endpointWeight, priority = defaults.priority } = written
    if (name !== undefined) checkName(name, [...here, 'name'], 'endpoint', findings)
    const spot = typeof value === 'string' ? here : [...here, 'address']
    const target = readAddress(address, spot, variables, findings)
    if (target !== undefined) resolved.push({ place: spot, address: target })
    checkDistinct(name ?? (target === undefined ? address : target.origin + target.base), here, names, findings)
    endpoints.push({ address, name, weight: isClosed ? 0 : weight, priority })
  }
  if (!isClosed && endpoints.length === input.length && endpoints.every(endpoint => endpoint.weight === 0)) {
    findings.error(
      'zero-weights',
      place,
      'every endpoint of the pool has weight 0',
      'Give at least one of them a weight.',
    )
  }
  return endpoints
}

function checkDistinct(name: string, here: Place, names: Map<string, Place>, findings: Findings): void {
  const other = names.get(name)
  if (other === undefined) {
    names.set(name, here)
    return
  }
  const message = `the pool has an endpoint ${show(name)} already, at [${other.at(-1)}]`
  findings.error(
    'duplicate-name',
    here,
    message,
    'Leave one out, or give each a name; a weight says it counts for more.',
  )
}

function readAddress(
  template: string,
  place: Place,
  variables: Variables | undefined,
  findings: Findings,
): EndpointAddress | undefined {
  const resolved = resolveVariables(template, variables ?? {})
  if ('unset' in resolved) {
    if (variables === undefined) return undefined
    const { unset } = resolved
    const mend = `Set it, or write a default: \${${unset}:-https://app.example.com}.`
    findings.error('unset-variable', place, `the variable ${unset} in ${show(template)} is not set`, mend)
    return undefined
  }
  const address = parseEndpointAddress(resolved.text)
  if (typeof address !== 'string') return address
  const said = resolved.text === template ? show(template) : `${show(resolved.text)} (from ${show(template)})`
  const mend = 'Write an address such as https://app.example.com or tcp://db.example.com:5432.'
  findings.error('bad-address', place, `${said}: ${address}`, mend)
  return undefined
}

function readBalance(input: BalanceInput, place: Place, findings: Findings): Balance {
  if (typeof input === 'string') return { by: input }
  const { hash, boundedLoad } = input
  if (typeof hash === 'string') return { by: 'hash', key: { from: hash }, boundedLoad }
  const here = [...place, 'hash']
  if ('header' in hash) {
    checkHeaderName(hash.header, [...here, 'header'], findings)
    return { by: 'hash', key: { from: 'header', name: hash.header.toLowerCase() }, boundedLoad }
  }
  checkCookieName(hash.cookie, [...here, 'cookie'], findings)
  return { by: 'hash', key: { from: 'cookie', name: hash.cookie }, boundedLoad }
}

function readAffinity(
  input: { readonly cookie?: string; readonly maxAge?: Duration } | undefined,
  place: Place,
  findings: Findings,
): PoolConfig['affinity'] {
  if (input === undefined) return undefined
  const cookie = input.cookie ?? defaults.affinityCookie
  checkCookieName(cookie, [...place, 'cookie'], findings)
  const maxAgeMs = readDuration(
    input.maxAge,
    defaults.affinityMaxAge,
    bounds.cookieAgeMs,
    [...place, 'maxAge'],
    findings,
  )
  return { cookie, maxAgeS: Math.floor(maxAgeMs / 1_000) }
}

function readOutlier(input: OutlierInput | false, place: Place, findings: Findings): OutlierConfig | undefined {
  if (input === false) return undefined
  const readTime = (key: 'baseEjection' | 'maxEjection'): number =>
    readDuration(input[key], defaults[key], bounds.timeoutMs, [...place, key], findings)
  const baseEjectionMs = readTime('baseEjection')
  const maxEjectionMs = readTime('maxEjection')
  if (baseEjectionMs > maxEjectionMs) {
    const said = `${formatDuration(baseEjectionMs)} is longer than maxEjection, ${formatDuration(maxEjectionMs)}`
    findings.error('out-of-range', [...place, 'baseEjection'], said, 'Raise maxEjection or lower baseEjection.')
  }
  return {
    consecutiveFailures: input.consecutiveFailures ?? defaults.consecutiveFailures,
    successRateFactor: input.successRateFactor ?? defaults.successRateFactor,
    baseEjectionMs,
    maxEjectionMs,
    maxEjectedPercent: input.maxEjectedPercent ?? defaults.maxEjectedPercent,
  }
}
