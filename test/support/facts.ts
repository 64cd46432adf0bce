// Facts as a plane would read them, from a line such as `GET http://host/path`, for tests of the core.

import type { FlowFacts, RequestFacts } from '../../shared/decide/facts.ts'
import { pickCookies } from '../../shared/http/cookies.ts'
import { normalizePath } from '../../shared/http/paths.ts'
import { EDGE_DOOR } from '../../shared/table/compile-http.ts'
import type { Table } from '../../shared/table/table.ts'
import { parseAddress } from '../../shared/wire/address.ts'

export interface Asked {
  readonly ask: string
  readonly with?: Readonly<Record<string, string>> | undefined
  readonly from?: string | undefined
  readonly country?: string | undefined
  readonly now?: number | undefined
}

/** Signed cookies are believed as they are: no key is set. */
export function requestFacts(table: Table, asked: Asked): RequestFacts {
  const [method, target] = asked.ask.split(' ') as [string, string]
  const url = new URL(target)
  const headers = new Headers(asked.with)
  const cookie = headers.get('cookie')
  const from = asked.from === undefined ? undefined : parseAddress(asked.from)
  return {
    door: [...table.httpDoors.keys()][0] ?? EDGE_DOOR,
    scheme: url.protocol === 'https:' ? 'https' : 'http',
    host: url.hostname.replace(/\.$/, ''),
    port: Number(url.port),
    serverName: undefined,
    method,
    path: normalizePath(url.pathname),
    search: url.search,
    headers: table.needs.headers.map(name => headers.get(name) ?? undefined),
    cookies: pickCookies(cookie, table.needs.cookies),
    signedCookies: pickCookies(cookie, table.needs.signedCookies),
    queries: table.needs.queries.map(name => url.searchParams.get(name) ?? undefined),
    clientAddress: from?.text,
    address: from,
    country: asked.country,
    requestId: 'test',
    now: asked.now ?? 1_000_000,
  }
}

/** @param hello what a client of a `tls` listener asks for, or its first bytes when it speaks no TLS */
export function flowFacts(
  listener: string,
  from: string,
  port = 50_000,
  hello?: { readonly sni?: string | undefined; readonly alpn?: readonly string[] | undefined } | string,
): FlowFacts {
  const asked = typeof hello === 'string' ? undefined : hello
  return {
    listener,
    clientAddress: from,
    address: parseAddress(from),
    clientPort: port,
    localAddress: '127.0.0.1',
    localPort: 7000,
    peerAddress: from,
    peerPort: port,
    proxyHeader: undefined,
    peeked: hello === undefined ? 'nothing' : asked === undefined ? 'not-tls' : 'hello',
    sni: asked?.sni?.toLowerCase(),
    alpn: asked?.alpn ?? [],
    now: 1_000_000,
  }
}
