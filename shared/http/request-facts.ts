// What is known of a request before the decision, at any HTTP door: only what the table needs, and what the door itself
// has to know to refuse, forward and record it.

import type { RequestFacts } from '../decide/facts.ts'
import { listenerFor } from '../table/hostname.ts'
import type { HttpListener, Needs, Table } from '../table/table.ts'
import { type ClientAddress, clientAddressOf } from './client-address.ts'
import { pickCookies } from './cookies.ts'
import { forwardedScheme } from './forwarded.ts'
import { INSTANCES } from './instances.ts'
import { normalizePath } from './paths.ts'
import { keptRequestId } from './request-id.ts'
import { verify } from './signing.ts'
import { isPlainTarget, readHost } from './target.ts'
import { readTrace, type Trace } from './trace-context.ts'

export interface DoorFacts extends RequestFacts {
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

/** A request as its door sees it. */
export interface Arrived {
  /** As the facts name the door. */
  readonly door: string
  readonly scheme: 'http' | 'https'
  /** Host and port of the URL. */
  readonly authority: string
  /** The `Host` that came; null where the authority is all that is known. */
  readonly said: string | null
  readonly method: string
  /** Starts with a slash, without the query. */
  readonly path: string
  /** With its `?`, or empty. */
  readonly search: string
  /** As the facts have it. */
  serverName(): string | undefined
  /** The other end of the connection; undefined where the platform hides it. */
  readonly peer: string | undefined
  header(name: string): string | null
  country(): string | undefined
  /** Of HTTP. */
  protocol(): string | undefined
}

/** What a plane has of chance. */
export interface Chance {
  /** 32 random bits, unsigned. */
  readonly word: () => number
  readonly requestId: (now: number) => string
}

/** The facts of a request. Who the client is comes from where the listener says, and nothing else is believed. */
export function readRequestFacts(
  arrived: Arrived,
  table: Table,
  cookieKeys: readonly string[],
  now: number,
  chance: Chance,
): DoorFacts {
  const { door, authority, said, scheme, path, search } = arrived
  const host = readHost(authority)
  const isMalformed =
    host === undefined ||
    !isPlainTarget(path, search) ||
    (said !== null && said !== authority && readHost(said) === undefined)

  const { needs } = table
  const header = (name: string) => arrived.header(name)
  const listener = listenerFor(table.httpDoors.get(door)?.listeners ?? NONE, host?.name ?? '')
  const client = listener === undefined ? NOBODY : clientAddressOf(listener.clientAddress, arrived.peer, header)
  const cookies = needs.cookies.length + needs.signedCookies.length === 0 ? null : header('cookie')
  return {
    door,
    listener: listener?.name,
    httpListener: listener,
    subrequests: listener?.subrequests ?? 0,
    scheme: client.isTrusted ? forwardedScheme(client, header('x-forwarded-proto'), scheme) : scheme,
    host: host?.name ?? authority,
    port: host?.port ?? 0,
    serverName: arrived.serverName(),
    method: arrived.method,
    path: normalizePath(path),
    search,
    headers: needs.headers.length === 0 ? NONE : needs.headers.map(name => header(name) ?? undefined),
    cookies: needs.cookies.length === 0 ? NONE : pickCookies(cookies, needs.cookies),
    signedCookies: needs.signedCookies.length === 0 ? NONE : readSigned(cookies, needs, cookieKeys),
    queries: needs.queries.length === 0 ? NONE : readQueries(search, needs),
    client,
    clientAddress: client.address,
    address: needs.address ? client.parsed : undefined,
    country: needs.country ? arrived.country() : undefined,
    requestId: (client.isTrusted ? keptRequestId(true, header('x-request-id')) : undefined) ?? chance.requestId(now),
    now,
    isMalformed,
    trace: readTrace(header('traceparent'), chance.word),
    instances: header(INSTANCES),
    protocol: listener?.hasVia === true ? arrived.protocol() : undefined,
  }
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

const NONE: readonly never[] = []
const NOBODY: ClientAddress = { address: undefined, parsed: undefined, isTrusted: false, chain: undefined }
