// Filters of a rule or of one backend, as what a rule of a config says: header edits, rewrites, a redirect, mirrors, CORS.
// A filter that cannot be carried is never skipped: what it would have seen is answered 500 (HTTPRouteFilter.type).

import type { CorsInput, FiltersInput, HeaderEditsInput, RedirectInput } from '../config/config-http.ts'
import { isTemplate } from '../config/template.ts'
import type { Cors, Filter, HeaderModifier, Mirror, PathModifier, Redirect, Rewrite } from './http-shapes.ts'
import { type Notes, type Spot, within } from './notes.ts'

export interface ReadFilters {
  readonly filters: FiltersInput | undefined
  readonly redirect: RedirectInput | undefined
  readonly cors: CorsInput | undefined
  readonly mirrors: readonly { readonly mirror: Mirror; readonly spot: Spot }[]
  /** One of them cannot be carried. */
  readonly isBroken: boolean
}

/** @param hasPrefix exactly one match, of a path prefix: what a prefix can be replaced in */
export function readFilters(
  filters: readonly Filter[] | undefined,
  hasPrefix: boolean,
  spot: Spot,
  notes: Notes,
): ReadFilters {
  let request: HeaderEditsInput | undefined
  let response: HeaderEditsInput | undefined
  let rewrite: FiltersInput['rewrite']
  let redirect: RedirectInput | undefined
  let cors: CorsInput | undefined
  let isBroken = false
  const mirrors: { mirror: Mirror; spot: Spot }[] = []
  const seen = new Set<string>()
  for (const [index, filter] of (filters ?? []).entries()) {
    const here = within(spot, index)
    if (!checkUnion(filter, here, notes)) {
      isBroken = true
      continue
    }
    if (seen.has(filter.type) && !repeatable.has(filter.type)) {
      notes.add(
        'error',
        'duplicate-filter',
        here,
        `a second filter of type ${filter.type}`,
        'Leave one of the two out.',
      )
    }
    seen.add(filter.type)
    if (filter.requestHeaderModifier !== undefined) {
      const edits = readEdits(filter.requestHeaderModifier, within(here, 'requestHeaderModifier'), notes)
      request = edits.edits
      if (edits.host !== undefined) rewrite = { ...rewrite, host: edits.host }
      isBroken ||= edits.isBroken
    } else if (filter.responseHeaderModifier !== undefined) {
      const edits = readEdits(filter.responseHeaderModifier, within(here, 'responseHeaderModifier'), notes)
      response = edits.edits
      isBroken ||= edits.isBroken
    } else if (filter.requestMirror !== undefined) {
      mirrors.push({ mirror: filter.requestMirror, spot: within(here, 'requestMirror') })
    } else if (filter.requestRedirect !== undefined) {
      redirect = readRedirect(filter.requestRedirect, hasPrefix, within(here, 'requestRedirect'), notes)
    } else if (filter.urlRewrite !== undefined) {
      rewrite = { ...rewrite, ...readRewrite(filter.urlRewrite, hasPrefix, within(here, 'urlRewrite'), notes) }
    } else if (filter.cors !== undefined) cors = readCors(filter.cors, within(here, 'cors'), notes)
    else isBroken = true
  }
  if (seen.has('RequestRedirect') && seen.has('URLRewrite')) {
    notes.add('error', 'redirect-and-rewrite', spot, 'a redirect beside a rewrite', 'Leave one of the two out.')
  }
  const all: FiltersInput = {
    ...(request === undefined ? {} : { requestHeaders: request }),
    ...(response === undefined ? {} : { responseHeaders: response }),
    ...(rewrite === undefined || Object.keys(rewrite).length === 0 ? {} : { rewrite }),
  }
  return { filters: Object.keys(all).length === 0 ? undefined : all, redirect, cors, mirrors, isBroken }
}

/** The field that belongs to the type is there and no other; a type that is not known here is told. */
function checkUnion(filter: Filter, spot: Spot, notes: Notes): boolean {
  const own = fieldOf[filter.type]
  if (own === undefined) {
    const message = `a filter of type ${filter.type} cannot be carried over: what it would have seen is answered 500`
    notes.add('not-carried', 'unsupported-filter', spot, message, mendOf(filter))
    return false
  }
  for (const field of Object.values(fieldOf)) {
    if (field === own || filter[field] === undefined) continue
    notes.add(
      'error',
      'filter-type',
      within(spot, field),
      `a filter of type ${filter.type} has no "${field}"`,
      'Leave it out.',
    )
  }
  if (filter[own] !== undefined) return true
  notes.add('error', 'missing-field', spot, `a filter of type ${filter.type} needs "${own}"`, 'Add it.')
  return false
}

function mendOf(filter: Filter): string {
  if (filter.type === 'ExternalAuth') return 'Let the endpoints ask, or a gateway in front.'
  const ref = filter.extensionRef
  return ref === undefined
    ? 'Leave it out.'
    : `Write what ${ref.kind} ${ref.name} does into the rule, as docs/configuration.md has it.`
}

function readEdits(
  modifier: HeaderModifier,
  spot: Spot,
  notes: Notes,
): { readonly edits: HeaderEditsInput; readonly host: string | undefined; readonly isBroken: boolean } {
  const set: Record<string, string> = {}
  const add: Record<string, string> = {}
  const taken = new Set<string>()
  let host: string | undefined
  let isBroken = false
  const read = (list: 'set' | 'add', to: Record<string, string>) => {
    for (const [index, { name, value }] of (modifier[list] ?? []).entries()) {
      const here = within(spot, list, index)
      const key = name.toLowerCase()
      if (taken.has(key)) {
        const message = `${name} stands here a second time: only the first counts`
        notes.add('warning', 'duplicate-name', here, message, 'Leave it out, or write both values in one.')
        continue
      }
      taken.add(key)
      if (isTemplate(value)) {
        const message = `in a config ${value} stands for a value of the request, and cannot be written as it is`
        notes.add(
          'not-carried',
          'template',
          here,
          `${message}: what it would have seen is answered 500`,
          'Write it without braces.',
        )
        isBroken = true
      } else if (key === 'host' && list === 'set') host = value
      else to[name] = value
    }
  }
  read('set', set)
  read('add', add)
  const remove = [...new Set((modifier.remove ?? []).filter(name => !taken.has(name.toLowerCase())))]
  const edits = {
    ...(Object.keys(set).length === 0 ? {} : { set }),
    ...(Object.keys(add).length === 0 ? {} : { add }),
    ...(remove.length === 0 ? {} : { remove }),
  }
  return { edits, host, isBroken }
}

function readRedirect(input: Redirect, hasPrefix: boolean, spot: Spot, notes: Notes): RedirectInput {
  const { scheme, hostname, path, port, statusCode } = input
  return {
    ...(scheme === undefined ? {} : { scheme }),
    ...(hostname === undefined ? {} : { host: hostname }),
    // Without scheme and port the client stays on the port of the listener (HTTPRequestRedirectFilter.port).
    ...(port !== undefined ? { port } : scheme === undefined ? { port: 'listener' as const } : {}),
    ...readPathModifier(path, hasPrefix, within(spot, 'path'), notes),
    ...(statusCode === undefined ? {} : { status: statusCode }),
  }
}

function readRewrite(input: Rewrite, hasPrefix: boolean, spot: Spot, notes: Notes): FiltersInput['rewrite'] {
  return {
    ...(input.hostname === undefined ? {} : { host: input.hostname }),
    ...readPathModifier(input.path, hasPrefix, within(spot, 'path'), notes),
  }
}

function readPathModifier(
  input: PathModifier | undefined,
  hasPrefix: boolean,
  spot: Spot,
  notes: Notes,
): { path?: string; prefix?: string } {
  if (input === undefined) return {}
  const { type, replaceFullPath, replacePrefixMatch } = input
  const [field, value] =
    type === 'ReplaceFullPath' ? ['replaceFullPath', replaceFullPath] : ['replacePrefixMatch', replacePrefixMatch]
  if (value === undefined) {
    notes.add('error', 'missing-field', spot, `type ${type} needs "${field}"`, 'Add it.')
    return {}
  }
  if (type === 'ReplacePrefixMatch' && !hasPrefix) {
    const mend = 'Let the rule have one match, of type PathPrefix.'
    notes.add('error', 'prefix-without-match', within(spot, field!), 'there is no one prefix to replace', mend)
    return {}
  }
  const path = value.startsWith('/') ? value : `/${value}`
  return type === 'ReplaceFullPath' ? { path } : { prefix: path }
}

function readCors(input: Cors, spot: Spot, notes: Notes): CorsInput | undefined {
  const {
    allowOrigins = [],
    allowMethods = [],
    allowHeaders = [],
    exposeHeaders = [],
    allowCredentials,
    maxAge,
  } = input
  if (allowOrigins.length === 0) {
    const message = 'no origin is named, so nothing is allowed to other origins'
    notes.add('warning', 'no-origins', spot, message, 'Name some in "allowOrigins".')
    return undefined
  }
  const capped = maxAge === undefined ? undefined : Math.min(maxAge, LONGEST_PREFLIGHT)
  if (capped !== maxAge) {
    const message = `no browser keeps a preflight for longer than a day: ${maxAge}s become ${LONGEST_PREFLIGHT}s`
    notes.add('warning', 'capped', within(spot, 'maxAge'), message, 'Write 86400 or less.')
  }
  return {
    origins: allowOrigins,
    ...(allowMethods.length === 0 ? {} : { methods: allowMethods }),
    ...(allowHeaders.length === 0 ? {} : { headers: allowHeaders }),
    ...(exposeHeaders.length === 0 ? {} : { expose: exposeHeaders }),
    ...(allowCredentials === true ? { credentials: true } : {}),
    ...(capped === undefined ? {} : { maxAge: `${capped}s` as const }),
  }
}

const fieldOf: Readonly<Record<string, keyof Filter>> = {
  RequestHeaderModifier: 'requestHeaderModifier',
  ResponseHeaderModifier: 'responseHeaderModifier',
  RequestMirror: 'requestMirror',
  RequestRedirect: 'requestRedirect',
  URLRewrite: 'urlRewrite',
  CORS: 'cors',
}
const repeatable: ReadonlySet<string> = new Set(['RequestMirror', 'ExtensionRef'])
/** Seconds: see `bounds.corsAgeMs`. */
const LONGEST_PREFLIGHT = 86_400
