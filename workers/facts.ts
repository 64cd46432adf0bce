// What is known of a request before the decision: only what the table needs.

import type { RequestFacts } from '../shared/decide/facts.ts'
import { type ClientAddress, clientAddressOf } from '../shared/http/client-address.ts'
import { pickCookies } from '../shared/http/cookies.ts'
import { forwardedScheme } from '../shared/http/forwarded.ts'
import { INSTANCES } from '../shared/http/instances.ts'
import { normalizePath } from '../shared/http/paths.ts'
import { keptRequestId } from '../shared/http/request-id.ts'
import { verify } from '../shared/http/signing.ts'
import { readTrace, type Trace } from '../shared/http/trace-context.ts'
import { EDGE_DOOR } from '../shared/table/compile-http.ts'
import { listenerFor } from '../shared/table/hostname.ts'
import type { HttpListener, Needs, Table } from '../shared/table/table.ts'
import { parseAddress } from '../shared/wire/address.ts'
import { randomWord } from './random-words.ts'
import { newRequestId } from './request-id.ts'

export interface EdgeFacts extends RequestFacts {
  /** Undefined when no listener takes the host. */
  readonly listener: string | undefined
  readonly httpListener: HttpListener | undefined
  /** How many requests may be made for this one. */
  readonly subrequests: number
  readonly client: ClientAddress
  /** A host or path that no honest client sends: answered 400 before any rule is asked. */
  readonly isMalformed: boolean
  readonly trace: Trace
  /** The instances it came through, as it says. */
  readonly instances: string | null
  /** Of HTTP, as the client spoke it: `HTTP/2`. Only when the listener writes it into `Via`. */
  readonly protocol: string | undefined
}

/**
 * The facts of a request. The Worker does not see its peer: who the client is comes from the header that the listener
 * names, and nothing else is believed.
 */
export function readFacts(request: Request, table: Table, cookieKeys: readonly string[], now: number): EdgeFacts {
  const url = splitUrl(request.url)
  const host = readHost(url.authority)
  const said = request.headers.get('host')
  // workerd glues a Host such as `x/evil@y` into the URL as it is: the URL alone looks honest.
  const isMalformed =
    host === undefined ||
    !isPlainTarget(url) ||
    (said !== null && said !== url.authority && readHost(said) === undefined)

  const { needs } = table
  const listener = listenerFor(table.httpDoors.get(EDGE_DOOR)?.listeners ?? NONE, host?.name ?? '')
  const client =
    listener === undefined
      ? NOBODY
      : clientAddressOf(listener.clientAddress, undefined, name => request.headers.get(name))
  const cookies = needs.cookies.length + needs.signedCookies.length === 0 ? null : request.headers.get('cookie')
  return {
    door: EDGE_DOOR,
    listener: listener?.name,
    httpListener: listener,
    subrequests: listener?.subrequests ?? 0,
    scheme: client.isTrusted
      ? forwardedScheme(client, request.headers.get('x-forwarded-proto'), url.scheme)
      : url.scheme,
    host: host?.name ?? url.authority,
    port: host?.port ?? 0,
    method: request.method,
    path: normalizePath(url.path),
    search: url.search,
    headers: needs.headers.length === 0 ? NONE : needs.headers.map(name => request.headers.get(name) ?? undefined),
    cookies: needs.cookies.length === 0 ? NONE : pickCookies(cookies, needs.cookies),
    signedCookies: needs.signedCookies.length === 0 ? NONE : readSigned(cookies, needs, cookieKeys),
    queries: needs.queries.length === 0 ? NONE : readQueries(url.search, needs),
    client,
    clientAddress: client.address,
    address: needs.address ? client.parsed : undefined,
    country: needs.country ? countryOf(request) : undefined,
    requestId:
      (client.isTrusted ? keptRequestId(true, request.headers.get('x-request-id')) : undefined) ?? newRequestId(),
    now,
    isMalformed,
    trace: readTrace(request.headers.get('traceparent'), randomWord),
    instances: request.headers.get(INSTANCES),
    protocol: listener?.hasVia === true ? protocolOf(request) : undefined,
  }
}

interface UrlParts {
  readonly scheme: 'http' | 'https'
  readonly authority: string
  /** Starts with a slash. */
  readonly path: string
  /** With its `?`, or empty. */
  readonly search: string
}

/** `URL` would do the same with ten strings more, and would hide what was malformed. */
function splitUrl(url: string): UrlParts {
  const scheme = url.startsWith('https:') ? 'https' : 'http'
  const start = scheme.length + 3
  const slash = url.indexOf('/', start)
  const question = url.indexOf('?', start)
  const hasPath = slash !== -1 && (question === -1 || slash < question)
  const pathEnd = question === -1 ? url.length : question
  return {
    scheme,
    authority: url.slice(start, hasPath ? slash : pathEnd),
    path: hasPath ? url.slice(slash, pathEnd) : '/',
    search: question === -1 ? '' : url.slice(question),
  }
}

/** Lower case, without trailing dot; IPv6 in brackets; port 0 when none is named. Undefined for what is no host. */
function readHost(authority: string): { readonly name: string; readonly port: number } | undefined {
  const parts = HOST.exec(authority)
  if (parts === null) return undefined
  const port = parts[3] === undefined ? 0 : Number(parts[3])
  if (port > 65_535) return undefined
  if (parts[2] !== undefined) {
    const address = parseAddress(parts[2])
    return address?.family === 6 ? { name: `[${address.text}]`, port } : undefined
  }
  return { name: parts[1]!.toLowerCase(), port }
}

/**
 * No backslash, control character or fragment: `fetch` reads `\` as `/`, drops tabs and cuts at `#`, so that the
 * endpoint would be asked for another path than the one a rule was found for.
 */
function isPlainTarget(url: UrlParts): boolean {
  return !NOT_IN_TARGET.test(url.path) && !NOT_IN_TARGET.test(url.search)
}

function readSigned(cookies: string | null, needs: Needs, keys: readonly string[]): (string | undefined)[] {
  const values = pickCookies(cookies, needs.signedCookies)
  for (let index = 0; index < values.length; index++) {
    const value = values[index]
    if (value !== undefined) values[index] = verify(keys, needs.signedCookies[index]!, value)
  }
  return values
}

function readQueries(search: string, needs: Needs): (string | undefined)[] {
  const queries = new URLSearchParams(search)
  return needs.queries.map(name => queries.get(name) ?? undefined)
}

function protocolOf(request: Request): string | undefined {
  const protocol = request.cf?.httpProtocol
  return typeof protocol === 'string' ? protocol : undefined
}

function countryOf(request: Request): string | undefined {
  const country = request.cf?.country
  return typeof country === 'string' ? country : undefined
}

/** Labels of letters, digits, `-` and `_`, or an IPv6 address in brackets; a port. RFC 9110 section 7.2, without userinfo. */
const HOST =
  /^(?:((?=[^:]{1,254}(?::|$))[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*)\.?|\[([0-9A-Fa-f:.]{2,45})\])(?::(\d{1,5}))?$/
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
const NOT_IN_TARGET = /[\x00-\x20\x7f\\#]/
const NONE: readonly never[] = []
const NOBODY: ClientAddress = { address: undefined, parsed: undefined, isTrusted: false, chain: undefined }
