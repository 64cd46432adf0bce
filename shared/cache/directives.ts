// What `Cache-Control` and `CDN-Cache-Control` say, read once for each answer and request.

import { parseDictionary } from 'structured-headers'

/** Directives of a request or an answer. Unknown ones are left out (RFC 9111 section 5.2.3). */
export interface Directives {
  readonly isPublic: boolean
  readonly noStore: boolean
  readonly mustUnderstand: boolean
  /** `true` for the whole answer; the names of the fields it is about, lower case, in the qualified form. */
  readonly noCache: boolean | readonly string[]
  readonly isPrivate: boolean | readonly string[]
  readonly mustRevalidate: boolean
  readonly proxyRevalidate: boolean
  readonly noTransform: boolean
  readonly onlyIfCached: boolean
  /** Seconds. What is said but cannot be read counts as 0: stale (RFC 9111 section 4.2.1). */
  readonly maxAge: number | undefined
  readonly sMaxage: number | undefined
  readonly minFresh: number | undefined
  /** Infinity without a value: however stale. */
  readonly maxStale: number | undefined
  readonly staleWhileRevalidate: number | undefined
  readonly staleIfError: number | undefined
}

/**
 * Reads `Cache-Control` (RFC 9111 section 5.2): names without case, values as token or quoted string, the first of a
 * name counts, save that the qualified forms of `no-cache` and `private` add up. At most 64 directives are read; never
 * throws.
 */
export function readCacheControl(value: string | null): Directives {
  if (value === null || value === '') return NOTHING_SAID
  const said = new Map<string, string | true>()
  for (const [name, argument] of membersOf(value)) {
    const before = said.get(name)
    if (before === undefined) said.set(name, argument)
    else if (name === 'no-cache' || name === 'private') said.set(name, both(before, argument))
  }
  return directivesOf(said)
}

/**
 * Reads `CDN-Cache-Control` (RFC 9213 section 2.1): a structured dictionary. Undefined when it is absent, empty or
 * malformed: then `Cache-Control` counts.
 */
export function readCdnCacheControl(value: string | null): Directives | undefined {
  if (value === null || value.length > longestField) return undefined
  try {
    const said = new Map<string, string | true>()
    for (const [name, [bare]] of parseDictionary(value)) {
      // `?0` takes a directive back; a value of a type that the directive has not is not there.
      if (bare === true) said.set(name, true)
      else if (typeof bare === 'number' && inSeconds.has(name)) said.set(name, String(bare))
      else if (typeof bare === 'string' && !inSeconds.has(name)) said.set(name, bare)
    }
    return said.size === 0 ? undefined : directivesOf(said)
  } catch {
    return undefined
  }
}

function directivesOf(said: ReadonlyMap<string, string | true>): Directives {
  return {
    isPublic: said.has('public'),
    noStore: said.has('no-store'),
    mustUnderstand: said.has('must-understand'),
    noCache: qualified(said.get('no-cache')),
    isPrivate: qualified(said.get('private')),
    mustRevalidate: said.has('must-revalidate'),
    proxyRevalidate: said.has('proxy-revalidate'),
    noTransform: said.has('no-transform'),
    onlyIfCached: said.has('only-if-cached'),
    maxAge: seconds(said.get('max-age')),
    sMaxage: seconds(said.get('s-maxage')),
    minFresh: seconds(said.get('min-fresh')),
    maxStale: said.get('max-stale') === true ? Number.POSITIVE_INFINITY : seconds(said.get('max-stale')),
    staleWhileRevalidate: seconds(said.get('stale-while-revalidate')),
    staleIfError: seconds(said.get('stale-if-error')),
  }
}

function qualified(argument: string | true | undefined): boolean | readonly string[] {
  if (argument === undefined) return false
  if (argument === true) return true
  const names = argument
    .toLowerCase()
    .split(',')
    .map(name => name.trim())
    .filter(name => name !== '')
  // Empty or unreadable: the safe reading is the one without names.
  return names.length > 0 && names.every(name => token.test(name)) ? names : true
}

/** The unqualified form covers more. */
function both(one: string | true, other: string | true): string | true {
  return one === true || other === true ? true : `${one},${other}`
}

/** Delta-seconds (RFC 9111 section 1.2.2): what is too large is 2^31. */
function seconds(argument: string | true | undefined): number | undefined {
  if (argument === undefined) return undefined
  if (argument === true || !/^\d+$/.test(argument)) return 0
  return Math.min(Number(argument), 2 ** 31)
}

/** `name`, `name=token` and `name="quoted, with commas"`. What fits none of these is passed over to the next comma. */
function* membersOf(text: string): Generator<[string, string | true]> {
  let count = 0
  const value = text.length > longestField ? text.slice(0, longestField) : text
  for (const match of value.matchAll(member)) {
    if (++count > mostDirectives) return
    const [, name, plain, quoted] = match
    if (name === undefined) continue
    yield [name.toLowerCase(), quoted?.replace(/\\(.)/g, '$1') ?? plain ?? true]
  }
}

const member =
  /(?:^|,)[ \t]*(?:([!#$%&'*+.^_`|~0-9A-Za-z-]+)(?:=(?:([^\s",;]*)|"((?:[^"\\]|\\.)*)"))?[ \t]*(?=,|$)|[^,]*)/g
const inSeconds: ReadonlySet<string> = new Set(['max-age', 's-maxage', 'stale-while-revalidate', 'stale-if-error'])
const token = /^[!#$%&'*+.^_`|~0-9a-z-]+$/
const mostDirectives = 64
const longestField = 8192

const NOTHING_SAID: Directives = directivesOf(new Map())
