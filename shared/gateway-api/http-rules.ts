// Rules of HTTPRoutes and GRPCRoutes as rules of a config: where their requests go, by weight, and what is done to them.

import type {
  FiltersInput,
  HttpMatchInput,
  HttpRuleInput,
  HttpVariantInput,
  MirrorInput,
  RetryInput,
} from '../config/config-http.ts'
import type { Affinity, Backends, Use } from './backends.ts'
import { type ReadFilters, readFilters } from './filters.ts'
import type { GrpcRule, HttpBackendRef, HttpRule } from './http-shapes.ts'
import type { Manifest } from './manifests.ts'
import { readGrpcMatch, readHttpMatch } from './matches.ts'
import { freeName } from './names.ts'
import { type Notes, type Spot, within } from './notes.ts'
import { readAffinity } from './session-persistence.ts'
import { readRetry, readTimeouts } from './timeouts.ts'

/** One rule, or undefined when no match of it can be read, which is said. */
export function readRule(
  route: Manifest,
  rule: HttpRule | GrpcRule,
  backends: Backends,
  spot: Spot,
  notes: Notes,
): HttpRuleInput | undefined {
  const isGrpc = route.kind === 'GRPCRoute'
  const matches = isGrpc ? grpcMatches(rule as GrpcRule, spot, notes) : httpMatches(rule as HttpRule, spot, notes)
  if (matches === undefined) return undefined
  const first = matches.length === 1 ? matches[0]! : undefined
  const hasPrefix =
    first !== undefined && !('grpc' in first) && (first.path === undefined || typeof first.path === 'string')
  const filters = readFilters(rule.filters, hasPrefix, within(spot, 'filters'), notes)
  const timing: Timing = isGrpc ? {} : readTiming(rule as HttpRule, spot, notes)
  const affinity = readAffinity(rule.sessionPersistence, within(spot, 'sessionPersistence'), notes)
  const action = readAction(route, rule, filters, affinity, backends, hasPrefix, spot, notes)
  const forwards = 'pool' in action || 'variants' in action
  if (timing.retry?.attempts !== undefined) {
    for (const pool of poolsOf(action)) backends.allowRetries(pool)
  }
  const mirrors = forwards ? readMirrors(route, filters, backends, notes) : []
  return {
    ...(rule.name === undefined ? {} : { name: rule.name }),
    ...(matches.every(match => Object.keys(match).length > 0) ? { match: first ?? matches } : {}),
    ...(filters.filters === undefined ? {} : { filters: filters.filters }),
    ...(filters.cors === undefined ? {} : { cors: filters.cors }),
    ...(forwards ? timing : {}),
    ...(mirrors.length === 0 ? {} : { mirrors }),
    ...action,
  }
}

type Timing = Pick<HttpRuleInput, 'retry' | 'timeouts'> & { readonly retry?: RetryInput }
type Action = Pick<HttpRuleInput, 'pool' | 'variants' | 'split' | 'redirect' | 'reply'>

function readAction(
  route: Manifest,
  rule: HttpRule | GrpcRule,
  filters: ReadFilters,
  affinity: Affinity | undefined,
  backends: Backends,
  hasPrefix: boolean,
  spot: Spot,
  notes: Notes,
): Action {
  const refs = rule.backendRefs ?? []
  const use: Use = route.kind === 'GRPCRoute' ? 'grpc' : 'http'
  if (filters.isBroken) return { reply: refusal(use) }
  if (filters.redirect !== undefined) {
    if (refs.length === 0) return { redirect: filters.redirect }
    const message = 'a redirect beside backendRefs: the client goes elsewhere, so nothing is sent there'
    notes.add('error', 'redirect-and-backends', within(spot, 'backendRefs'), message, 'Leave one of the two out.')
    return { redirect: filters.redirect }
  }
  if (refs.length === 0) {
    const message = `the rule names no backend: it is answered ${refusal(use).status}`
    notes.add('warning', 'no-backends', spot, message, 'Add "backendRefs", or a redirect.')
    return { reply: refusal(use) }
  }
  const variants = refs.map((ref, index) =>
    readVariant(route, ref, use, affinity, backends, hasPrefix, within(spot, 'backendRefs', index), notes),
  )
  if (variants.every(({ weight }) => weight === 0)) {
    const message = `every backend has weight 0: the rule is answered ${refusal(use).status}`
    notes.add('warning', 'zero-weights', within(spot, 'backendRefs'), message, 'Give one of them a weight.')
    return { reply: refusal(use) }
  }
  const only = variants.length === 1 ? variants[0]! : undefined
  if (only?.pool !== undefined && only.filters === undefined) return { pool: only.pool }
  if (only?.reply !== undefined && only.filters === undefined) return { reply: only.reply }
  if (only !== undefined) return { variants: [only] }
  return {
    variants: withOwnNames(variants),
    split: affinity === undefined ? { by: 'draw' } : { by: { cookie: `${affinity.cookie}.split` }, pin: 'first' },
  }
}

function readVariant(
  route: Manifest,
  ref: HttpBackendRef,
  use: Use,
  affinity: Affinity | undefined,
  backends: Backends,
  hasPrefix: boolean,
  spot: Spot,
  notes: Notes,
): HttpVariantInput {
  const { filters: written, weight = 1, ...backendRef } = ref
  const backend = backends.find(route, backendRef, use, spot, affinity)
  const filters = readFilters(written, hasPrefix, within(spot, 'filters'), notes)
  for (const [field, value] of [
    ['cors', filters.cors],
    ['requestMirror', filters.mirrors[0]],
  ] as const) {
    if (value === undefined) continue
    const message = `"${field}" on one backend cannot be carried over: it belongs to the whole rule here`
    notes.add(
      'not-carried',
      'filter-on-backend',
      within(spot, 'filters'),
      message,
      'Move it to the filters of the rule.',
    )
  }
  const head = { name: backend.name, weight }
  if (filters.isBroken) return { ...head, reply: refusal(use) }
  if (filters.redirect !== undefined) return { ...head, redirect: filters.redirect, ...edited(filters.filters) }
  if (backend.pool !== undefined) return { ...head, pool: backend.pool, ...edited(filters.filters) }
  return { ...head, reply: backend.is === 'empty' ? { status: 503 } : refusal(use) }
}

const edited = (filters: FiltersInput | undefined) => (filters === undefined ? {} : { filters })

/** What leads nowhere is answered 500; to a gRPC client UNAVAILABLE (GRPCRouteRule.backendRefs), which 503 becomes. */
function refusal(use: Use): { status: number } {
  return { status: use === 'grpc' ? 503 : 500 }
}

/** A backend may be named twice, with other filters. */
function withOwnNames(variants: readonly HttpVariantInput[]): readonly HttpVariantInput[] {
  const taken = new Set<string>()
  return variants.map(variant => {
    const name = freeName(variant.name, each => taken.has(each))
    taken.add(name)
    return { ...variant, name }
  })
}

function poolsOf(action: Action): readonly string[] {
  const pools = [action.pool, ...(action.variants ?? []).map(({ pool }) => pool)]
  return pools.filter(pool => pool !== undefined)
}

function readMirrors(route: Manifest, filters: ReadFilters, backends: Backends, notes: Notes): MirrorInput[] {
  return filters.mirrors.flatMap(({ mirror: { backendRef, percent, fraction }, spot }) => {
    if (percent !== undefined && fraction !== undefined) {
      notes.add('error', 'percent-and-fraction', spot, '"percent" beside "fraction"', 'Leave one of the two out.')
    }
    const backend = backends.find(
      route,
      backendRef,
      route.kind === 'GRPCRoute' ? 'grpc' : 'http',
      within(spot, 'backendRef'),
    )
    if (backend.pool === undefined) return []
    const share = fraction === undefined ? percent : (100 * fraction.numerator) / (fraction.denominator ?? 100)
    if (share !== undefined && share > 100) {
      notes.add(
        'error',
        'bad-fraction',
        within(spot, 'fraction'),
        'more than the whole',
        'Write a numerator up to the denominator.',
      )
      return []
    }
    return [{ pool: backend.pool, ...(share === undefined || share === 100 ? {} : { percent: share }) }]
  })
}

function readTiming(rule: HttpRule, spot: Spot, notes: Notes): Timing {
  return {
    retry: readRetry(rule.retry, rule.timeouts?.backendRequest !== undefined, within(spot, 'retry'), notes),
    ...readTimeouts(rule.timeouts, rule.retry?.attempts, within(spot, 'timeouts'), notes),
  }
}

/** The matches that can be read; undefined when there are some and none of them can. */
function httpMatches(rule: HttpRule, spot: Spot, notes: Notes): readonly HttpMatchInput[] | undefined {
  const written = rule.matches ?? []
  if (written.length === 0) return [{}]
  const read = written.map((match, index) => readHttpMatch(match, within(spot, 'matches', index), notes))
  const sound = read.filter(match => match !== undefined)
  return sound.length === 0 ? undefined : sound
}

function grpcMatches(rule: GrpcRule, spot: Spot, notes: Notes): readonly HttpMatchInput[] | undefined {
  const written = rule.matches ?? []
  if (written.length === 0) return [{ grpc: {} }]
  const read = written.map((match, index) => readGrpcMatch(match, within(spot, 'matches', index), notes))
  const sound = read.filter(match => match !== undefined)
  return sound.length === 0 ? undefined : sound
}
