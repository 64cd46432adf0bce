// Config -> Table: names become references, patterns become regular expressions and CIDRs, and what has to be read from a
// request becomes `needs`. Everything a decision would otherwise do twice is done here once.

import { doors } from '../config/doors.ts'
import { parseEndpointAddress, resolveVariables, type Variables } from '../config/endpoint-address.ts'
import type { Config, FlowRoute, HttpRoute } from '../config/parsed.ts'
import { ConfigError } from '../config/problem.ts'
import { hash32 } from '../pool/hash.ts'
import { type Addresses, compilePool, type Pool } from '../pool/pool.ts'
import { compileFlowListeners, compileFlowRule } from './compile-flow.ts'
import { compileHttpDoors, compileHttpRule } from './compile-http.ts'
import { needsBook, noteBalanceNeeds } from './needs-book.ts'
import type { FlowMatch, HttpMatch, Table } from './table.ts'

/**
 * The table of a parsed config. `variables` fill `${NAME}` in endpoint addresses. With the `previous` table an endpoint
 * that stays keeps its slot and a pool its index, so that counts and ejections survive a reload. What `previous` has and
 * the config has not keeps its number too: take it out of `previous` when nothing is open there any more.
 * `addresses` are those that names of endpoints were resolved to: see `compilePool`.
 * Throws ConfigError when a variable is unset here or makes an address that cannot be read.
 */
export function compile(
  config: Config,
  variables: Variables = {},
  previous?: Pick<Table, 'slots' | 'poolIndexes'>,
  addresses: Addresses = new Map(),
): Table {
  const slots = new Map(previous?.slots)
  const poolIndexes = new Map(previous?.poolIndexes)
  const needs = needsBook()
  const pools = compilePools(config, variables, numbering(slots), numbering(poolIndexes), addresses)
  const poolNamed = (name: string): Pool => pools.get(name)!
  for (const pool of pools.values()) noteBalanceNeeds(pool, needs)

  const httpMatches = new Map<HttpRoute, HttpMatch[]>()
  const flowMatches = new Map<FlowRoute, FlowMatch[]>()
  let order = 0
  for (const route of config.routes) {
    if (route.layer === 7) {
      httpMatches.set(
        route,
        route.rules.flatMap(rule => compileHttpRule(route, rule, poolNamed, needs, () => order++)),
      )
    } else {
      flowMatches.set(
        route,
        route.rules.flatMap(rule => compileFlowRule(route, rule, poolNamed, needs)),
      )
    }
  }
  return {
    instance: instanceOf(config, pools),
    needs: needs.close(),
    pools: [...pools.values()],
    slots,
    poolIndexes,
    httpDoors: compileHttpDoors(config, httpMatches),
    flowListeners: compileFlowListeners(config, flowMatches),
    cacheStore: config.cacheStore,
  }
}

/** Gives each name the number it has, or else the lowest that nobody has. */
function numbering(numbers: Map<string, number>): (name: string) => number {
  const taken = new Set(numbers.values())
  let lowest = 0
  return name => {
    const known = numbers.get(name)
    if (known !== undefined) return known
    while (taken.has(lowest)) lowest += 1
    taken.add(lowest)
    numbers.set(name, lowest)
    return lowest
  }
}

function compilePools(
  config: Config,
  variables: Variables,
  slotOf: (id: string) => number,
  indexOf: (name: string) => number,
  addresses: Addresses,
): Map<string, Pool> {
  const pools = new Map<string, Pool>()
  config.pools.forEach(pool => {
    const resolve = (template: string) => resolveAddress(template, variables, `pools.${pool.name}`)
    pools.set(pool.name, compilePool(pool, indexOf(pool.name), resolve, slotOf, addresses))
  })
  return pools
}

function resolveAddress(template: string, variables: Variables, path: string) {
  const resolved = resolveVariables(template, variables)
  if ('unset' in resolved) {
    throw new ConfigError([
      {
        severity: 'error',
        code: 'unset-variable',
        path,
        message: `the variable ${resolved.unset} in "${template}" is not set`,
        mend: `Set ${resolved.unset}, or write a default: \${${resolved.unset}:-https://app.example.com}.`,
      },
    ])
  }
  const address = parseEndpointAddress(resolved.text)
  if (typeof address !== 'string') return address
  throw new ConfigError([
    {
      severity: 'error',
      code: 'bad-address',
      path,
      message: `"${resolved.text}": ${address}`,
      mend: 'Write an address such as https://app.example.com or tcp://db.example.com:5432.',
    },
  ])
}

/**
 * The same for every isolate of one deployment, another one where a listener, a route or an endpoint is another. Not the
 * whole config: what two instances with the same endpoints send to each other comes back however else they differ, and
 * hashing all of it would be half of a cold start.
 */
function instanceOf(config: Config, pools: ReadonlyMap<string, Pool>): string {
  if (!config.listeners.some(listener => doors[listener.kind].layer === 7)) return ''
  const names = [
    ...config.listeners.map(listener => `${listener.name} ${'hostnames' in listener ? listener.hostnames : ''}`),
    ...config.routes.map(route => `${route.name} ${'hostnames' in route ? route.hostnames : ''} ${route.rules.length}`),
    ...[...pools.values()].flatMap(({ endpoints }) => endpoints.map(({ id, address }) => `${id} ${address.origin}`)),
  ]
  const high = hash32(names.join('\n'))
  return high.toString(36) + hash32(names.join('\t'), high).toString(36)
}
