// What compile finds to matter of a request, entered once: facts are read by index.

import type { Pool } from '../pool/pool.ts'
import type { CorsNeeds, Needs } from './table.ts'

/** Facts are read by index: every name a rule asks for is entered here once. */
export function needsBook() {
  const headers: string[] = []
  const cookies: string[] = []
  const signedCookies: string[] = []
  const queries: string[] = []
  let address = false
  let country = false
  let cors: CorsNeeds | undefined
  return {
    header: (name: string) => indexIn(headers, name.toLowerCase()),
    cookie: (name: string) => indexIn(cookies, name),
    signedCookie: (name: string) => indexIn(signedCookies, name),
    query: (name: string) => indexIn(queries, name),
    address: () => {
      address = true
    },
    country: () => {
      country = true
    },
    cors: () => {
      cors ??= {
        origin: indexIn(headers, 'origin'),
        method: indexIn(headers, 'access-control-request-method'),
        headers: indexIn(headers, 'access-control-request-headers'),
      }
    },
    close: (): Needs => ({ headers, cookies, signedCookies, queries, address, country, cors }),
  }
}

export type NeedsBook = ReturnType<typeof needsBook>

export function noteBalanceNeeds(pool: Pool, needs: NeedsBook): void {
  if (pool.affinity !== undefined) needs.signedCookie(pool.affinity.cookie)
  if (pool.balance.by !== 'hash') return
  const key = pool.balance.key
  if (key.from === 'header') needs.header(key.name)
  else if (key.from === 'cookie') needs.cookie(key.name)
  else needs.address()
}

function indexIn(names: string[], name: string): number {
  const known = names.indexOf(name)
  return known === -1 ? names.push(name) - 1 : known
}
