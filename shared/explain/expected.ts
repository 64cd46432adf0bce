// What a case expects beside what it got: every difference, with its place in the case.

import type { Gets } from '../config/parse-expect.ts'
import type { NamedValueMatch } from '../config/parsed.ts'

/** What one request or flow gets, in the words of `gets`; undefined: there is none of it. */
export interface Got {
  readonly route: string | undefined
  readonly rule: string | undefined
  readonly variant: string | undefined
  readonly pool: string | undefined
  readonly endpoint: string | undefined
  readonly reason: string | undefined
  readonly status: number | undefined
  readonly location: string | undefined
  readonly body: string | undefined
  readonly path: string | undefined
  /** By name in lower case; undefined where nothing is sent on. */
  readonly requestHeaders: ((name: string) => string | undefined) | undefined
  readonly responseHeaders: ((name: string) => string | undefined) | undefined
}

export interface Difference {
  /** Inside of the case. */
  readonly place: readonly string[]
  /** `pool "api"`. */
  readonly got: string
  /** `"app"`. */
  readonly wanted: string
}

export function differences(gets: Gets, got: Got): Difference[] {
  const found: Difference[] = []
  for (const field of NAMES) {
    const wanted = gets[field]
    const value = got[field]
    if (wanted.length === 0 || (value !== undefined && wanted.includes(value))) continue
    found.push({ place: ['gets', field], got: say(field, value), wanted: anyOf(wanted) })
  }
  for (const field of VALUES) {
    const wanted = gets[field]
    if (wanted === undefined || wanted === got[field]) continue
    found.push({ place: ['gets', field], got: say(field, got[field]), wanted: JSON.stringify(wanted) })
  }
  for (const field of FIELDS) {
    for (const match of gets[field]) {
      const value = got[field]?.(match.name)
      if (got[field] !== undefined && valueHolds(match, value)) continue
      const place = ['gets', field, match.name]
      const what = got[field] === undefined ? `no ${WHOSE[field]}` : say(`${WHOSE[field]} header ${match.name}`, value)
      found.push({ place, got: what, wanted: wantedValue(match) })
    }
  }
  return found
}

function valueHolds({ op, value }: NamedValueMatch, got: string | undefined): boolean {
  if (op === 'absent') return got === undefined
  if (got === undefined) return false
  return op === 'present' || (op === 'exact' ? got === value : new RegExp(`^(?:${value})$`, 'u').test(got))
}

function wantedValue({ op, value }: NamedValueMatch): string {
  return op === 'exact' ? JSON.stringify(value) : op === 'regex' ? `what matches ${value}` : op
}

function say(what: string, value: string | number | undefined): string {
  return value === undefined ? `no ${what}` : `${what} ${JSON.stringify(value)}`
}

function anyOf(names: readonly string[]): string {
  return names.map(name => JSON.stringify(name)).join(' or ')
}

const NAMES = ['route', 'rule', 'variant', 'pool', 'endpoint'] as const
const VALUES = ['reason', 'status', 'location', 'path', 'body'] as const
const FIELDS = ['requestHeaders', 'responseHeaders'] as const
const WHOSE = { requestHeaders: 'request', responseHeaders: 'response' } as const
