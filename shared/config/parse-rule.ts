// Rules: what one does with the requests or flows that match it.

import type * as z from 'zod'
import type { HttpTimeoutsInput, RetryInput, RetryOn } from './config-http.ts'
import type { Size } from './config-values.ts'
import { bounds, defaults } from './defaults.ts'
import type { Door } from './doors.ts'
import { didYouMean, type Findings, formatPlace, listNames, type Place, show } from './findings.ts'
import { nearest } from './near.ts'
import { readCors, readErrorPages, readSample } from './parse-answers.ts'
import { readCache, readCompress } from './parse-cache.ts'
import { readHedge, readMirrors } from './parse-copies.ts'
import { readFilters, readRedirect, readReply } from './parse-filters.ts'
import { checkKernelRule } from './parse-kernel.ts'
import { readFlowMatches, readHttpMatches } from './parse-match.ts'
import { readFlowSplit, readHttpSplit, readVariants } from './parse-split.ts'
import type { Filters, FlowRule, HttpRule, HttpVariantConfig, RetryConfig } from './parsed.ts'
import { readDuration, readSize } from './read-values.ts'
import { flowRulePart, flowVariant, udpRulePart } from './schema-flow.ts'
import { httpRulePart, httpVariant } from './schema-http.ts'
import { checkStructure } from './structure.ts'
import { formatDuration } from './units.ts'

export type Raw = Readonly<Record<string, unknown>>

export interface RouteScope {
  readonly findings: Findings
  /** Undefined when the listeners themselves cannot be read: then nothing is said about their names. */
  readonly doorOf: ReadonlyMap<string, Door | undefined> | undefined
  /** Names of listeners of UDP. */
  readonly udp: ReadonlySet<string>
  readonly poolNames: ReadonlySet<string> | undefined
}

/** A rule to be read: as it was written, and what it is called. */
export interface RuleSpot {
  readonly raw: unknown
  readonly name: string
  readonly splitName: string
  readonly here: Place
  readonly door: Door
  readonly isUdp: boolean
  /** What the route says of `record.sample`. */
  readonly sample: number
  readonly otherKeys: readonly string[]
}

export function readHttpRule(spot: RuleSpot, scope: RouteScope): HttpRule | undefined {
  const { here, door } = spot
  const { findings } = scope
  const raw = spot.raw as Raw | null
  const part = { name: 'rule', schema: httpRulePart, door, otherKeys: spot.otherKeys }
  const { value } = checkStructure(part, raw, here, findings)
  if (value === undefined) return undefined
  const matches = readHttpMatches(value.match, [...here, 'match'], door, findings)
  const filters = readFilters(value.filters, matches, [...here, 'filters'], findings)
  const action = oneAction(raw, ['pool', 'variants', 'redirect', 'reply'], here, findings)
  const variants = readVariants(value.variants, httpVariant, [...here, 'variants'], door, findings)
  checkSplitHasVariants(raw, here, findings)

  const forward = (): HttpRule['action'] => {
    const list = (variants?.variants ?? []).map(([variant, place]): HttpVariantConfig => {
      const { name, weight, pool, redirect, reply } = variant
      oneAction(variant, ['pool', 'redirect', 'reply'], place, findings)
      checkPool(pool, [...place, 'pool'], scope)
      return {
        name,
        weight,
        to:
          redirect !== undefined
            ? { redirect: readRedirect(redirect, matches, [...place, 'redirect'], findings) }
            : reply === undefined
              ? { pool: pool ?? '' }
              : { reply: readReply(reply, [...place, 'reply'], findings) },
        filters: readFilters(variant.filters, matches, [...place, 'filters'], findings),
      }
    })
    const split = variants && readHttpSplit(value.split, variants, spot.splitName, [...here, 'split'], findings)
    return { do: 'forward', variants: list, split }
  }
  const readAction = (): HttpRule['action'] => {
    if (action === 'redirect' && value.redirect !== undefined) {
      return { do: 'redirect', redirect: readRedirect(value.redirect, matches, [...here, 'redirect'], findings) }
    }
    if (action === 'reply' && value.reply !== undefined) {
      return { do: 'reply', reply: readReply(value.reply, [...here, 'reply'], findings) }
    }
    if (action === 'variants') return forward()
    checkPool(value.pool, [...here, 'pool'], scope)
    const pool = value.pool ?? ''
    const only: HttpVariantConfig = { name: pool, weight: 1, to: { pool }, filters: noFilters }
    return { do: 'forward', variants: [only], split: undefined }
  }
  const rule = {
    name: spot.name,
    path: formatPlace(here),
    matches,
    action: readAction(),
    filters,
    retry: readRetry(value.retry, door === 'edge' ? matches : [], [...here, 'retry'], findings),
    timeouts: readHttpTimeouts(value.timeouts, [...here, 'timeouts'], findings),
    cors: readCors(value.cors, [...here, 'cors'], findings),
    errorPages: readErrorPages(value.errorPages, [...here, 'errorPages'], findings),
    maxBodyBytes: readMaxBody(value.limits?.maxBody, [...here, 'limits', 'maxBody'], findings),
    sample: readSample(value.record, spot.sample),
  }
  for (const [index, mirror] of (value.mirrors ?? []).entries()) {
    checkPool(mirror.pool, [...here, 'mirrors', index, 'pool'], scope)
  }
  return {
    ...rule,
    hedge: readHedge(value.hedge, rule, [...here, 'hedge'], findings),
    mirrors: readMirrors(value.mirrors, rule.action, [...here, 'mirrors'], findings),
    cache: readCache(value.cache, rule, [...here, 'cache'], findings),
    compress: readCompress(value.compress, [...here, 'compress'], findings),
  }
}

export function readFlowRule(spot: RuleSpot, scope: RouteScope): FlowRule | undefined {
  const { here, door } = spot
  const { findings } = scope
  const raw = spot.raw as Raw | null
  const part = { name: 'rule', door, otherKeys: spot.otherKeys }
  const { value }: { readonly value: AnyFlowRule | undefined } = spot.isUdp
    ? checkStructure({ ...part, schema: udpRulePart }, raw, here, findings)
    : checkStructure({ ...part, schema: flowRulePart }, raw, here, findings)
  if (value === undefined) return undefined
  const matches = readFlowMatches(value.match, [...here, 'match'], door, findings)
  // A redirect or reply was told to be of another layer: that no pool is named as well would be said twice.
  const isOther = raw !== null && ('redirect' in raw || 'reply' in raw)
  const action = isOther ? undefined : oneAction(raw, ['pool', 'variants'], here, findings)
  const variants = readVariants(value.variants, flowVariant, [...here, 'variants'], door, findings)
  checkSplitHasVariants(raw, here, findings)
  for (const [variant, place] of variants?.variants ?? []) checkPool(variant.pool, [...place, 'pool'], scope)
  checkPool(value.pool, [...here, 'pool'], scope)
  if (door === 'kernel') checkKernelRule(value, here, findings)
  const pool = value.pool ?? ''
  return {
    name: spot.name,
    path: formatPlace(here),
    matches,
    variants:
      action === 'variants'
        ? (variants?.variants ?? []).map(([variant]) => variant)
        : [{ name: pool, weight: 1, pool }],
    split: variants && readFlowSplit(value.split, variants, spot.splitName),
    attempts: value.retry === false ? 1 : (value.retry?.attempts ?? defaults.flowAttempts),
    timeouts: {
      connectMs: readDuration(
        value.timeouts?.connect,
        defaults.connectTimeout,
        bounds.timeoutMs,
        [...here, 'timeouts', 'connect'],
        findings,
      ),
      idleMs: readDuration(
        value.timeouts?.idle,
        spot.isUdp ? defaults.sessionIdle : defaults.idleTimeout,
        bounds.timeoutMs,
        [...here, 'timeouts', 'idle'],
        findings,
      ),
    },
    session: { requests: value.session?.requests, responses: value.session?.responses },
  }
}

type AnyFlowRule = z.output<typeof flowRulePart> & Pick<z.output<typeof udpRulePart>, 'session'>

/** The one of the keys that is there; what is there is told by what the operator wrote, even where it is written wrong. */
function oneAction<Key extends string>(
  raw: object | null,
  keys: readonly Key[],
  place: Place,
  findings: Findings,
): Key | undefined {
  const found = keys.filter(key => raw !== null && key in raw)
  if (found.length === 1) return found[0]
  // A slip in the key was told as an unknown key.
  if (found.length === 0 && Object.keys(raw ?? {}).some(key => nearest(key, keys) !== undefined)) return undefined
  const message = `found ${found.length === 0 ? 'none' : listNames(found, 'and')} of ${listNames(keys, 'and')}`
  findings.error('exactly-one', place, message, `Write exactly one of ${listNames(keys, 'and')}.`)
  return undefined
}

function checkSplitHasVariants(raw: Raw | null, here: Place, findings: Findings): void {
  if (raw === null || raw['split'] === undefined || raw['variants'] !== undefined) return
  const message = 'there is a split and nothing to split: the rule has no variants'
  findings.error('split-without-variants', [...here, 'split'], message, 'Add "variants", or leave "split" out.')
}

function checkPool(name: string | undefined, place: Place, scope: RouteScope): void {
  if (name === undefined || scope.poolNames === undefined || scope.poolNames.has(name)) return
  const all = scope.poolNames.size === 0 ? 'There are none yet.' : `The pools are ${listNames(scope.poolNames, 'and')}.`
  scope.findings.error(
    'unknown-pool',
    place,
    `no pool is named ${show(name)}`,
    didYouMean(nearest(name, scope.poolNames), all),
  )
}

function readRetry(
  input: RetryInput | false | undefined,
  /** At the edge, which cannot tell whether anything was sent. */
  matches: HttpRule['matches'],
  place: Place,
  findings: Findings,
): RetryConfig {
  const {
    attempts = defaults.httpAttempts,
    on = defaults.retryOn,
    unsafe,
    maxBuffer,
    sameEndpoint,
    backoff,
  } = input || {}
  for (const [index, word] of on.entries()) {
    if (retryWords.includes(word) || /^[45]\d\d$/.test(word)) continue
    const mend = didYouMean(nearest(word, retryWords), `Write ${listNames(retryWords)}, or a status from 400 to 599.`)
    findings.error('unknown-value', [...place, 'on', index], `${show(word)} is not something to retry on`, mend)
  }
  const isOnce =
    matches.length > 0 &&
    matches.every(({ methods }) => methods.length > 0 && methods.every(method => ONCE.has(method)))
  if (input && attempts > 1 && unsafe !== true && isOnce) {
    const message = 'what may have been done once is not done again: none of the methods of this rule is ever retried'
    const mend = 'Say unsafe: true when a second one does no harm, or retry: false.'
    findings.warning('retry-never', place, message, mend)
  }
  return {
    attempts: input === false ? 1 : attempts,
    on: [...new Set<string>(on)],
    isUnsafe: unsafe ?? false,
    maxBufferBytes: readSize(
      maxBuffer,
      defaults.retryMaxBuffer,
      bounds.maxBufferBytes,
      [...place, 'maxBuffer'],
      findings,
    ),
    mayRepeat: sameEndpoint ?? false,
    backoffMs: readDuration(backoff, '0ms', [0, bounds.timeoutMs[1]], [...place, 'backoff'], findings),
  }
}

/** One try may not outlast all of them; the default try is shortened to fit, what is written is not. */
function readHttpTimeouts(
  input: HttpTimeoutsInput | undefined,
  place: Place,
  findings: Findings,
): HttpRule['timeouts'] {
  const requestMs = readDuration(
    input?.request,
    defaults.requestTimeout,
    bounds.timeoutMs,
    [...place, 'request'],
    findings,
  )
  const tryMs = readDuration(input?.try, defaults.tryTimeout, bounds.timeoutMs, [...place, 'try'], findings)
  if (input?.try !== undefined && tryMs > requestMs) {
    const request = `${formatDuration(requestMs)}${input.request === undefined ? ' unless said otherwise' : ''}`
    const message = `one try may take ${formatDuration(tryMs)}, and all tries together ${request}`
    findings.error(
      'bad-timeouts',
      [...place, 'try'],
      message,
      'Raise "request", which bounds all tries, or lower "try".',
    )
  }
  const readOne = (key: 'connect' | 'idle' | 'call'): number | undefined =>
    input?.[key] === undefined
      ? undefined
      : readDuration(input[key], '1ms', bounds.timeoutMs, [...place, key], findings)
  return {
    requestMs,
    tryMs: Math.min(tryMs, requestMs),
    connectMs: readOne('connect'),
    idleMs: readOne('idle'),
    callMs: readOne('call'),
  }
}

function readMaxBody(input: Size | undefined, place: Place, findings: Findings): number | undefined {
  return input === undefined ? undefined : readSize(input, '0B', bounds.bodyBytes, place, findings)
}

const noEdits = { set: [], add: [], remove: [] }
const noFilters: Filters = { request: noEdits, response: noEdits, rewrite: undefined, host: undefined }
const retryWords: readonly string[] = [
  'connect-failure',
  'ambiguous',
  'sent',
  'timeout',
  'reset',
  '5xx',
  'gateway-error',
] satisfies RetryOn[]
/** RFC 9110 section 9.2.2: not idempotent. */
const ONCE: ReadonlySet<string> = new Set(['POST', 'PATCH'])
