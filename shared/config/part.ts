// The part of a config that one plane needs: its listeners, their routes, and the pools those name. The edge is never
// told the addresses of databases, and a variable only the relay knows need not be set at the edge.

import { defaults } from './defaults.ts'
import { doors } from './doors.ts'
import { defaultCacheStore } from './parse-cache-store.ts'
import type { Config, HttpRule, Route } from './parsed.ts'

export function partFor(config: Config, plane: 'workers' | 'relay'): Config {
  const listeners = config.listeners.filter(listener => doors[listener.kind].plane === plane)
  const names = new Set(listeners.map(listener => listener.name))
  const routes = config.routes.filter(route => route.listeners.some(name => names.has(name)))
  const used = new Set(routes.flatMap(poolsOf))
  const pools = config.pools.filter(pool => used.has(pool.name))
  const own = { listeners, routes, pools }
  // An isolate has no threads and no store of its own: what it is told of them is what the default says.
  if (plane === 'workers') return { ...own, threads: defaults.threads, cacheStore: defaultCacheStore }
  return { ...own, threads: config.threads, cacheStore: config.cacheStore }
}

/** The names of the pools a route may send to, copies too. */
export function poolsOf(route: Route): string[] {
  if (route.layer === 4) return route.rules.flatMap(rule => rule.variants.map(variant => variant.pool))
  return route.rules.flatMap(rule => [...tryPoolsOf(rule), ...rule.mirrors.map(mirror => mirror.pool)])
}

/** The names of the pools whose answers a rule passes on. */
export function tryPoolsOf(rule: HttpRule): string[] {
  if (rule.action.do !== 'forward') return []
  return rule.action.variants.flatMap(variant => ('pool' in variant.to ? [variant.to.pool] : []))
}
