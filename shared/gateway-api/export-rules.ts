// Rules of a config as rules of routes.

import type { ConfigInput } from '../config/config.ts'
import type {
  FiltersInput,
  HeaderEditsInput,
  HttpMatchInput,
  HttpRuleInput,
  HttpVariantInput,
  RedirectInput,
  ReplyInput,
  ValueMatchInput,
} from '../config/config-http.ts'
import { parseDuration } from '../config/units.ts'
import { matchesOf } from './export.ts'
import { noteRest } from './export-listener.ts'
import { serviceObject } from './export-names.ts'
import type { ServiceUse } from './export-services.ts'
import { type Notes, type Spot, within } from './notes.ts'
import { LONGEST } from './timeouts.ts'

/** @returns the rule, and the server names it asks for */
export function exportRule(
  written: object,
  kind: string,
  namespace: string,
  pools: ConfigInput['pools'],
  uses: ServiceUse[],
  spot: Spot,
  notes: Notes,
): { readonly rule: object; readonly hostnames: readonly string[] } {
  const rule = written as HttpRuleInput
  const {
    name,
    match: _,
    pool,
    variants,
    split,
    redirect,
    reply,
    filters,
    cors,
    mirrors,
    retry,
    timeouts,
    ...rest
  } = rule
  noteRest(rest, spot, notes)
  const isHttp = kind === 'HTTPRoute' || kind === 'GRPCRoute'
  const matches = matchesOf(rule)
  const ref = (target: string) => refOf(target, kind, namespace, uses)
  const backendRefs =
    variants?.map((variant, index) => exportVariant(variant, ref, within(spot, 'variants', index), notes)) ??
    (pool === undefined ? [] : [ref(pool)])
  if (reply !== undefined && !isRefusal(reply)) noteReply(within(spot, 'reply'), notes)
  if (variants !== undefined && variants.length > 1 && split?.by !== 'draw' && split?.pin !== 'first') {
    const message = 'in the Gateway API each request is dealt anew: nobody keeps a variant'
    notes.add('not-carried', 'split', within(spot, 'split'), message, 'Write `split: { by: draw }` for the same here.')
  }
  const all = [
    ...exportFilters(filters),
    ...(cors === undefined ? [] : [exportCors(cors)]),
    ...(mirrors ?? []).map(({ pool: to, percent }) => ({
      type: 'RequestMirror',
      requestMirror: { backendRef: ref(to), ...(percent === undefined ? {} : shareOf(percent)) },
    })),
    ...(redirect === undefined ? [] : [{ type: 'RequestRedirect', requestRedirect: exportRedirect(redirect) }]),
  ]
  return {
    hostnames: isHttp ? [] : matches.flatMap(match => listOf((match as { sni?: string | readonly string[] }).sni)),
    rule: {
      ...(name === undefined ? {} : { name }),
      ...(isHttp && matches.length > 0
        ? {
            matches: matches.flatMap((match, index) =>
              exportMatch(match as HttpMatchInput, within(spot, 'match', index), notes),
            ),
          }
        : {}),
      ...(all.length === 0 ? {} : { filters: all }),
      ...(backendRefs.length === 0 ? {} : { backendRefs }),
      ...(kind === 'HTTPRoute' ? exportTiming(rule, spot, notes) : {}),
      ...(isHttp ? exportSession([pool, ...(variants ?? []).map(each => each.pool)], pools) : {}),
    },
  }
}

/** The session of the first pool that keeps one. */
function exportSession(names: readonly (string | undefined)[], pools: ConfigInput['pools']): object {
  const affinity = names.map(name => (name === undefined ? undefined : pools[name]?.affinity)).find(each => each)
  if (affinity === undefined) return {}
  const { cookie, maxAge } = affinity
  const named = cookie === undefined ? {} : { name: cookie }
  if (maxAge === undefined) return { sessionPersistence: { type: 'Cookie', cookie: named } }
  const lasting = { cookie: { ...named, lifetimeType: 'Permanent' }, absoluteTimeout: written(maxAge) }
  return { sessionPersistence: { type: 'Cookie', ...lasting } }
}

function listOf(value: string | readonly string[] | undefined): readonly string[] {
  return value === undefined ? [] : typeof value === 'string' ? [value] : value
}

function refOf(pool: string, kind: string, namespace: string, uses: ServiceUse[]): object {
  const isRefused = pool.endsWith(':refused')
  const service = serviceObject(isRefused ? pool.slice(0, -':refused'.length) : pool)
  if (!isRefused) uses.push({ pool, from: { kind, namespace }, service })
  const { namespace: home, name, port } = service
  return { name, ...(home === namespace ? {} : { namespace: home }), port }
}

function exportVariant(variant: HttpVariantInput, ref: (pool: string) => object, spot: Spot, notes: Notes): object {
  const { name, weight, pool, redirect, reply, filters } = variant
  if (reply !== undefined && !isRefusal(reply)) noteReply(within(spot, 'reply'), notes)
  const all = [
    ...exportFilters(filters),
    ...(redirect === undefined ? [] : [{ type: 'RequestRedirect', requestRedirect: exportRedirect(redirect) }]),
  ]
  return { ...ref(pool ?? `${name}:refused`), weight, ...(all.length === 0 ? {} : { filters: all }) }
}

/** What an import writes for what leads nowhere. */
function isRefusal({ status, body }: ReplyInput): boolean {
  return (status === 500 || status === 503) && body === undefined
}

function noteReply(spot: Spot, notes: Notes): void {
  const message = 'the Gateway API has no fixed replies: a rule without backends is answered 500'
  notes.add('not-carried', 'reply', spot, message, 'Let an endpoint give the answer.')
}

function exportMatch(match: HttpMatchInput, spot: Spot, notes: Notes): object[] {
  const { path, method, grpc, header, query, ...rest } = match
  noteRest(rest, spot, notes)
  const headers = exportValues(header, within(spot, 'header'), notes)
  const head = headers.length === 0 ? {} : { headers }
  if (grpc !== undefined) {
    const { service, method: call } = grpc
    const isRegex = (value: typeof service) => typeof value === 'object' && 'regex' in value
    const text = (value: typeof service) =>
      typeof value === 'object' ? ('regex' in value ? value.regex : value.exact) : value
    const type = isRegex(service) || isRegex(call) ? { type: 'RegularExpression' } : {}
    const names = {
      ...(service === undefined ? {} : { service: text(service) }),
      ...(call === undefined ? {} : { method: text(call) }),
    }
    return [{ ...(Object.keys(names).length === 0 ? {} : { method: { ...type, ...names } }), ...head }]
  }
  const queryParams = exportValues(query, within(spot, 'query'), notes)
  const one = {
    ...(path === undefined ? {} : { path: exportPath(path) }),
    ...head,
    ...(queryParams.length === 0 ? {} : { queryParams }),
  }
  const methods = listOf(method)
  return methods.length === 0 ? [one] : methods.map(each => ({ ...one, method: each }))
}

function exportPath(path: NonNullable<HttpMatchInput['path']>): object {
  if (typeof path === 'string') return { type: 'PathPrefix', value: path }
  if ('prefix' in path) return { type: 'PathPrefix', value: path.prefix }
  return 'exact' in path ? { type: 'Exact', value: path.exact } : { type: 'RegularExpression', value: path.regex }
}

function exportValues(
  values: Readonly<Record<string, ValueMatchInput>> | undefined,
  spot: Spot,
  notes: Notes,
): readonly object[] {
  return Object.entries(values ?? {}).flatMap(([name, match]) => {
    if (typeof match === 'string') return [{ name, value: match }]
    if ('exact' in match) return [{ name, value: match.exact }]
    if ('regex' in match) return [{ type: 'RegularExpression', name, value: match.regex }]
    if ('present' in match) return [{ type: 'RegularExpression', name, value: '.*' }]
    notes.add(
      'not-carried',
      'absent',
      within(spot, name),
      'the Gateway API cannot ask that a value is absent',
      'Order rules so that it is not needed.',
    )
    return []
  })
}

function exportFilters(filters: FiltersInput | undefined): object[] {
  const { requestHeaders, responseHeaders, rewrite } = filters ?? {}
  return [
    ...(requestHeaders === undefined
      ? []
      : [{ type: 'RequestHeaderModifier', requestHeaderModifier: exportEdits(requestHeaders) }]),
    ...(responseHeaders === undefined
      ? []
      : [{ type: 'ResponseHeaderModifier', responseHeaderModifier: exportEdits(responseHeaders) }]),
    ...(rewrite === undefined
      ? []
      : [
          {
            type: 'URLRewrite',
            urlRewrite: {
              ...(rewrite.host === undefined ? {} : { hostname: rewrite.host }),
              ...exportPathChange(rewrite),
            },
          },
        ]),
  ]
}

function exportEdits({ set, add, remove }: HeaderEditsInput): object {
  const list = (fields: Readonly<Record<string, string>>) =>
    Object.entries(fields).map(([name, value]) => ({ name, value }))
  return {
    ...(set === undefined ? {} : { set: list(set) }),
    ...(add === undefined ? {} : { add: list(add) }),
    ...(remove === undefined ? {} : { remove }),
  }
}

function exportPathChange({ path, prefix }: { readonly path?: string; readonly prefix?: string }): object {
  if (path !== undefined) return { path: { type: 'ReplaceFullPath', replaceFullPath: path } }
  return prefix === undefined ? {} : { path: { type: 'ReplacePrefixMatch', replacePrefixMatch: prefix } }
}

function exportRedirect(redirect: RedirectInput): object {
  const { scheme, host, port, status } = redirect
  return {
    ...(scheme === undefined ? {} : { scheme }),
    ...(host === undefined ? {} : { hostname: host }),
    ...exportPathChange(redirect),
    ...(typeof port === 'number' ? { port } : {}),
    ...(status === undefined ? {} : { statusCode: status }),
  }
}

function exportCors(cors: NonNullable<HttpRuleInput['cors']>): object {
  const { origins, methods, headers, expose, credentials, maxAge } = cors
  return {
    type: 'CORS',
    cors: {
      allowOrigins: origins,
      ...(methods === undefined ? {} : { allowMethods: methods }),
      ...(headers === undefined ? {} : { allowHeaders: headers }),
      ...(expose === undefined ? {} : { exposeHeaders: expose }),
      ...(credentials === undefined ? {} : { allowCredentials: credentials }),
      ...(maxAge === undefined ? {} : { maxAge: Math.max(1, Math.round((parseDuration(maxAge) ?? 5_000) / 1_000)) }),
    },
  }
}

/** Whole percents as such, others as a fraction of a million. */
function shareOf(percent: number): object {
  if (Number.isInteger(percent)) return { percent }
  return { fraction: { numerator: Math.round(percent * 10_000), denominator: 1_000_000 } }
}

function exportTiming({ retry, timeouts }: HttpRuleInput, spot: Spot, notes: Notes): object {
  const { request, try: one, ...rest } = timeouts ?? {}
  noteRest(rest, within(spot, 'timeouts'), notes)
  // An import says both where the manifest says one.
  const times = {
    ...(request === undefined ? {} : { request: written(request) }),
    ...(one === undefined || one === request ? {} : { backendRequest: written(one) }),
  }
  const { attempts, on, backoff } = retry || {}
  const codes = (on ?? []).filter(word => /^\d+$/.test(word)).map(Number)
  return {
    ...(Object.keys(times).length === 0 ? {} : { timeouts: times }),
    ...(attempts === undefined || attempts < 2
      ? {}
      : {
          retry: {
            ...(codes.length === 0 ? {} : { codes }),
            attempts: attempts - 1,
            ...(backoff === undefined ? {} : { backoff: written(backoff) }),
          },
        }),
  }
}

/** As GEP-2257 writes lengths of time: hours at most, five digits each. */
function written(text: string): string {
  const ms = parseDuration(text) ?? 0
  if (ms >= LONGEST) return '0s'
  const parts = [
    [3_600_000, 'h'],
    [60_000, 'm'],
    [1_000, 's'],
    [1, 'ms'],
  ] as const
  let left = ms
  let out = ''
  for (const [size, unit] of parts) {
    const count = Math.floor(left / size)
    left -= count * size
    if (count > 0) out += `${count}${unit}`
  }
  return out === '' ? '0s' : out
}
