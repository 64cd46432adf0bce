// Finds redirects that come back to their own rule: a client would follow them for ever.

import type { Problem } from '../config/problem.ts'
import type { RequestFacts } from '../decide/facts.ts'
import { matchedPrefix, matchHttp } from '../decide/match.ts'
import { normalizePath, redirectLocation } from '../http/paths.ts'
import { coversHost } from '../table/hostname.ts'
import type { HttpDoor, HttpMatch, HttpRule, Table } from '../table/table.ts'
import { witnessFacts, witnessOf } from './shadow.ts'

/**
 * One warning for each rule whose redirect leads back to it, straight or through other redirects. For each match a
 * request is made and followed through the production matcher as a browser follows it, which gives up after 20 redirects
 * (Fetch standard, HTTP-redirect fetch). Nothing is said of redirects that name a scheme or a port: the next request
 * need not come here.
 */
export function redirectLoops(table: Table): Problem[] {
  const found = new Map<HttpRule, Problem>()
  for (const [name, door] of table.httpDoors) {
    for (const listener of door.listeners) {
      for (const { hostname, matches } of listener.index.hosts) {
        for (const match of matches) {
          if (match.rule.action.do !== 'redirect' || found.has(match.rule)) continue
          const witness = witnessOf(listener, hostname, match, match.methods?.[0] ?? 'GET')
          if (witness === undefined) continue
          const trail = follow(door, match, witnessFacts(name, table.needs, witness))
          if (trail !== undefined) found.set(match.rule, describe(match.rule, trail))
        }
      }
    }
  }
  return [...found.values()]
}

/** The URLs of the way, when it comes back to the rule of `match` and never ends. */
function follow(door: HttpDoor, match: HttpMatch, first: RequestFacts): readonly string[] | undefined {
  const trail = [urlOf(first)]
  let facts = first
  let isBack = false
  for (let hop = 0; hop < MOST_HOPS; hop++) {
    const here = matchHttp(door, facts)
    if (here === undefined || (hop === 0 && here !== match)) return undefined
    const { action } = here.rule
    // One that sets a cookie may be meant to be followed once.
    if (action.do !== 'redirect' || setsCookie(here.rule)) return undefined
    const { redirect } = action
    if (redirect.scheme !== undefined || typeof redirect.port === 'number') return undefined
    isBack ||= hop > 0 && here.rule === match.rule
    const { hostname, pathname } = new URL(
      redirectLocation({ ...redirect, port: undefined }, facts, matchedPrefix(here, facts.path)),
    )
    if (hostname !== facts.host && !isNamed(door, hostname)) return undefined
    const method = methodAfter(redirect.status, facts.method)
    facts = { ...facts, host: hostname, path: normalizePath(pathname), method }
    trail.push(urlOf(facts))
  }
  return isBack ? trail : undefined
}

function setsCookie(rule: HttpRule): boolean {
  const { set, add } = rule.filters.response
  return [...set, ...add].some(([name]) => name.toLowerCase() === 'set-cookie')
}

/** Whether a listener or a route names the host; to one that nobody names the client may go elsewhere. */
function isNamed(door: HttpDoor, host: string): boolean {
  return door.listeners.some(({ hostnames, index }) =>
    [...hostnames, ...index.hosts.map(({ hostname }) => hostname)].some(
      hostname => hostname !== undefined && coversHost(hostname, host),
    ),
  )
}

/** Fetch standard, HTTP-redirect fetch, step 12. */
function methodAfter(status: number, method: string): string {
  if (status === 303) return method === 'HEAD' ? 'HEAD' : 'GET'
  return method === 'POST' && (status === 301 || status === 302) ? 'GET' : method
}

function describe(rule: HttpRule, trail: readonly string[]): Problem {
  const [from, to, then] = trail
  const grows = new Set(trail).size === trail.length
  const way = from === to ? `${from} leads to itself` : `${from} leads to ${to}, that to ${then}`
  return {
    severity: 'warning',
    code: 'redirect-loop',
    path: `${rule.path}.redirect`,
    message: `the redirect of ${rule.id} comes back to it for ever: ${way}${grows ? ', and so on' : ''}`,
    mend: 'Redirect to a path that another rule takes, or match what is to be redirected by an exact path.',
  }
}

function urlOf({ host, path }: RequestFacts): string {
  return `http://${host}${path}`
}

const MOST_HOPS = 20
