// What can only be seen with listeners, pools and routes side by side.

import { checkListeners } from './check-listeners.ts'
import { checkPool } from './check-pools.ts'
import { checkRules } from './check-rules.ts'
import { type Door, doors, features, schemes } from './doors.ts'
import { type Findings, listNames, type Place, show } from './findings.ts'
import { checkKernelPools } from './parse-kernel.ts'
import type { ResolvedEndpoint } from './parse-pool.ts'
import type { Config, EdgeListener, FlowRule, HttpRoute, HttpRule, PoolConfig, SplitConfig } from './parsed.ts'
import { poolsOf } from './part.ts'
import { describeLayer } from './structure-words.ts'
import { MOST_AT_ONCE, planSubrequests } from './subrequests.ts'
import { mayBeCalled } from './zone.ts'

export interface Together {
  readonly findings: Findings
  /** The lists of the config that could not be read at all. */
  readonly broken: ReadonlySet<string>
  readonly addresses: ReadonlyMap<string, readonly ResolvedEndpoint[]>
  readonly doorOf: ReadonlyMap<string, Door | undefined>
  readonly placeOf: ReadonlyMap<HttpRule | FlowRule, Place>
}

export function checkTogether(config: Config, together: Together): void {
  for (const pool of config.pools) checkPoolUse(pool, config, together)
  checkSplitsAgree(config, together)
  checkAnyClientOnce(config, together)
  checkListenersUsed(config, together)
  checkKernelPools(config, together.addresses, together.findings)
  for (const route of config.routes) {
    if (route.layer !== 7) continue
    checkDoors(route, together)
    checkClientAddress(route, config, together)
    checkSubrequests(route, config, together)
    checkHostRewrite(route, together)
  }
  // What is hardly meant so is looked for in what is right in form.
  const { findings, addresses, placeOf } = together
  if (findings.problems.some(problem => problem.severity === 'error')) return
  for (const pool of config.pools) checkPool(pool, addresses.get(pool.name) ?? [], findings)
  checkListeners(config, addresses, findings)
  checkRules(config, placeOf, findings)
}

/** Every door that sends to the pool has to be able to do what the pool says and to speak to its endpoints. */
function checkPoolUse(pool: PoolConfig, config: Config, { findings, broken, addresses, doorOf }: Together): void {
  const routes = config.routes.filter(route => poolsOf(route).includes(pool.name))
  const place = ['pools', pool.name]
  if (routes.length === 0 && !broken.has('routes')) {
    const mend = 'Name it in a route, or leave it out.'
    findings.warning('unused-pool', place, `no route sends anything to the pool ${show(pool.name)}`, mend)
  }
  const used = new Map<Door, string>()
  for (const route of routes) {
    for (const name of route.listeners) {
      const door = doorOf.get(name)
      if (door !== undefined && !used.has(door)) used.set(door, route.name)
    }
  }
  for (const [door, route] of used) {
    for (const [feature, inside] of featuresOf(pool)) {
      const able = features[feature]!
      if (able.includes(door)) continue
      const { message, mend } = describeLayer(feature, door, able)
      findings.error('wrong-layer', [...place, ...inside], `${message}: route ${show(route)} sends to this pool`, mend)
    }
    for (const { place: here, address } of addresses.get(pool.name) ?? []) {
      if (schemes[address.scheme].includes(door)) continue
      const wanted = spokenAt[door]
      const spoken =
        address.scheme === 'binding'
          ? 'to a binding of the Worker'
          : address.scheme === 'unix'
            ? 'unix:'
            : `${address.scheme}://`
      const message = `route ${show(route)} on a "${door}" listener sends to this pool and cannot speak ${spoken}`
      const able = schemes[address.scheme]
      const elsewhere =
        doors[door].layer === 7 && able.length === 1
          ? `serve the route on an "${able[0]}" listener (${doors[able[0]!].says})`
          : 'give the route a pool of its own'
      findings.error('wrong-scheme', here, message, `Write ${wanted} here, or ${elsewhere}.`)
    }
  }
}

/** What the pool asks of a door, as `features` names it, and where it stands in the pool. */
function featuresOf(pool: PoolConfig): [feature: string, inside: Place][] {
  const asked: [string, Place][] = []
  if (pool.affinity !== undefined) asked.push(['pool.affinity', ['affinity']])
  if (pool.tls !== undefined) asked.push(['pool.tls', ['tls']])
  if (pool.sendProxy !== undefined) asked.push(['pool.sendProxy', ['sendProxy']])
  if (pool.sendProxy?.version === 1) asked.push(['pool.sendProxy.version.1', ['sendProxy']])
  if (pool.sendProxy?.isInEach === true) asked.push(['pool.sendProxy.datagrams.each', ['sendProxy', 'datagrams']])
  if (pool.probe !== undefined) asked.push(['pool.probe', ['probe']])
  const { kind = 'http' } = pool.probe ?? {}
  if (kind !== 'http') asked.push([`pool.probe.${kind}`, ['probe', 'kind']])
  if (pool.queue !== undefined) asked.push(['pool.queue', ['queue']])
  if (pool.maxRequests !== undefined || pool.maxRequestsPerEndpoint !== undefined)
    asked.push(['pool.limits', ['limits']])
  if (pool.balance.by === 'hash') {
    asked.push([`pool.balance.hash.${pool.balance.key.from}`, ['balance', 'hash']])
    if (pool.balance.boundedLoad !== undefined) asked.push(['pool.balance.boundedLoad', ['balance', 'boundedLoad']])
  } else if (pool.balance.by === 'latency' || pool.balance.by === 'least-requests') {
    asked.push([`pool.balance.${pool.balance.by}`, ['balance']])
  }
  return asked
}

/** What a rule asks that not all of its doors can do; the schema of HTTP rules is the same for them. */
function checkDoors(route: HttpRoute, { findings, placeOf, doorOf }: Together): void {
  for (const name of route.listeners) {
    const door = doorOf.get(name)
    if (door === undefined) continue
    for (const rule of route.rules) {
      const asked: [string, Place][] = []
      if (rule.timeouts.connectMs !== undefined) asked.push(['rule.timeouts.connect', ['timeouts', 'connect']])
      if (rule.timeouts.idleMs !== undefined) asked.push(['rule.timeouts.idle', ['timeouts', 'idle']])
      if (rule.timeouts.callMs !== undefined) asked.push(['rule.timeouts.call', ['timeouts', 'call']])
      if (rule.matches.some(match => match.countries.length > 0)) asked.push(['match.country', ['match']])
      for (const [feature, inside] of asked) {
        const able = features[feature]!
        if (able.includes(door)) continue
        const { message, mend } = describeLayer(feature, door, able)
        findings.error('wrong-layer', [...placeOf.get(rule)!, ...inside], message, mend)
      }
    }
  }
}

/** Splits of one name are one split: their users, weights and epochs are looked up by it. */
function checkSplitsAgree(config: Config, { findings, placeOf }: Together): void {
  const first = new Map<string, { readonly form: string; readonly path: string }>()
  for (const [rule, split, variants] of splitsOf(config)) {
    const form = JSON.stringify([split.salt, split.epoch, variants.map(({ name, weight }) => [name, weight])])
    const other = first.get(split.name)
    if (other === undefined) first.set(split.name, { form, path: rule.path })
    else if (other.form !== form) {
      const message = `the split ${show(split.name)} is at ${other.path} already, with other variants, weights, salt or epoch`
      const mend = 'Give the rule a name or the split one of its own, or make the two alike.'
      findings.error('duplicate-name', [...placeOf.get(rule)!, 'split', 'name'], message, mend)
    }
  }
}

type Weighted = readonly { readonly name: string; readonly weight: number }[]

function splitsOf(config: Config): [HttpRule | FlowRule, SplitConfig, Weighted][] {
  return config.routes.flatMap(route =>
    route.rules.flatMap((rule: HttpRule | FlowRule): [HttpRule | FlowRule, SplitConfig, Weighted][] => {
      const { split, variants } = 'action' in rule ? forwardOf(rule) : rule
      return split === undefined ? [] : [[rule, split, variants]]
    }),
  )
}

function forwardOf(rule: HttpRule): { split: SplitConfig | undefined; variants: Weighted } {
  return rule.action.do === 'forward' ? rule.action : { split: undefined, variants: [] }
}

/**
 * Two rules of a flow listener that ask for the same name and protocols, and for no address: the second is never reached.
 */
function checkAnyClientOnce(config: Config, { findings, placeOf }: Together): void {
  for (const listener of config.listeners) {
    if (doors[listener.kind].layer !== 4) continue
    const first = new Map<string, FlowRule>()
    for (const route of config.routes) {
      if (route.layer !== 4 || !route.listeners.includes(listener.name)) continue
      for (const rule of route.rules) {
        const other = asked(rule).find(({ key }) => (first.get(key) ?? rule) !== rule)
        for (const { key } of asked(rule)) if (!first.has(key)) first.set(key, rule)
        if (other === undefined) continue
        const message = `${first.get(other.key)!.path} takes ${other.words} of listener ${show(listener.name)} already`
        const mend = 'Give one of them match.address, or a listener of its own.'
        findings.error('second-default', placeOf.get(rule)!, message, mend)
      }
    }
  }
}

/** What a rule asks for wherever it asks for no address, under each server name. */
function asked(rule: FlowRule): { readonly key: string; readonly words: string }[] {
  return rule.matches
    .filter(match => match.address.length === 0)
    .flatMap(({ sni, alpn }) =>
      (sni.length === 0 ? [''] : sni).map(name => {
        const protocols = alpn.toSorted()
        const words = [
          ...(name === '' ? [] : [`asks for ${show(name)}`]),
          ...(protocols.length === 0 ? [] : [`offers ${listNames(protocols)}`]),
        ]
        return {
          key: JSON.stringify([name, protocols]),
          words: words.length === 0 ? 'any client' : `any client that ${words.join(' and ')}`,
        }
      }),
    )
}

function checkListenersUsed(config: Config, { findings, broken }: Together): void {
  if (broken.has('routes')) return
  for (const { name } of config.listeners) {
    if (config.routes.some(route => route.listeners.includes(name))) continue
    const message = `no route is on listener ${show(name)}: everything that comes in there is refused`
    findings.warning('unused-listener', ['listeners', name], message, 'Name it in a route, or leave it out.')
  }
}

/** With `clientAddress: "none"` no address is ever known, so what goes by it cannot. */
function checkClientAddress(route: HttpRoute, config: Config, { findings, placeOf }: Together): void {
  const blind = config.listeners.find(
    listener =>
      'clientAddress' in listener && listener.clientAddress.from === 'none' && route.listeners.includes(listener.name),
  )
  if (blind === undefined) return
  const pools = new Map(config.pools.map(pool => [pool.name, pool]))
  for (const rule of route.rules) {
    const asks = addressUses(rule, pools)
    if (asks.length === 0) continue
    const message = `listener ${show(blind.name)} has clientAddress "none", so there is nothing for ${listNames(asks, 'and')} to go by`
    findings.warning(
      'address-unknown',
      placeOf.get(rule)!,
      message,
      blind.kind === 'edge'
        ? 'Say clientAddress "cloudflare", or name trustedProxies.'
        : 'Leave clientAddress out, or name trustedProxies.',
    )
  }
}

function addressUses(rule: HttpRule, pools: ReadonlyMap<string, PoolConfig>): string[] {
  const asks: string[] = []
  if (rule.matches.some(match => match.addresses.length > 0)) asks.push('match.address')
  if (rule.action.do !== 'forward') return asks
  const { split, variants } = rule.action
  if (split?.by.from === 'address') asks.push('split.by')
  else if (split?.fallback === 'address') asks.push('split.fallback')
  for (const { to } of variants) {
    const balance = 'pool' in to ? pools.get(to.pool)?.balance : undefined
    const isByAddress = balance?.by === 'hash' && balance.key.from === 'address'
    if (isByAddress && !asks.includes('balance.hash')) asks.push('balance.hash')
  }
  return asks
}

/** What a rule may ask for at worst has to fit every listener it is on: the request that needs one more would fail. */
function checkSubrequests(route: HttpRoute, config: Config, { findings, placeOf }: Together): void {
  const mine = config.listeners.filter(
    (listener): listener is EdgeListener => listener.kind === 'edge' && route.listeners.includes(listener.name),
  )
  const endpoints = new Map(config.pools.map(pool => [pool.name, countUsable(pool)]))
  for (const rule of route.rules) {
    const plan = planSubrequests(rule, pool => endpoints.get(pool) ?? 0)
    const place = placeOf.get(rule)!
    const listener = mine.find(({ subrequests }) => subrequests < plan.total)
    if (listener !== undefined) {
      const needed = `${plan.tries} ${plan.tries === 1 ? 'try' : 'tries'} and ${plan.mirrors} mirrors`
      const message = `one request may take ${plan.total} subrequests (${needed}), and listener ${show(listener.name)} allows ${listener.subrequests}`
      const mend = `Raise listeners.${listener.name}.subrequests (a paid plan has up to 10,000), or lower retry.attempts or the mirrors.`
      findings.error('too-many-subrequests', place, message, mend)
    }
    if (plan.atOnce > MOST_AT_ONCE) {
      const message = `${plan.atOnce} requests may wait for an answer at once (hedge and mirrors), and a Worker has ${MOST_AT_ONCE} connections`
      const mend = 'Name fewer mirrors: slow ones would keep a retry waiting.'
      findings.warning('too-many-at-once', place, message, mend)
    }
    if (rule.hedge !== undefined && plan.tries === 1 && rule.retry.attempts > 1) {
      const message = 'a hedge asks another endpoint, and no pool of the rule has a second one'
      findings.warning('hedge-alone', [...place, 'hedge'], message, 'Add an endpoint, or leave "hedge" out.')
    }
  }
}

/**
 * A Worker cannot set Host. It can call another Worker by any host, and an endpoint of its own zone by another name of
 * that zone; every other endpoint is asked under its own name.
 */
function checkHostRewrite(route: HttpRoute, { findings, placeOf, addresses, doorOf }: Together): void {
  if (!route.listeners.some(name => doorOf.get(name) === 'edge')) return
  for (const rule of route.rules) {
    if (rule.action.do !== 'forward') continue
    for (const [index, { to, filters }] of rule.action.variants.entries()) {
      const host = filters.host ?? rule.filters.host
      if (host === undefined || host === ENDPOINTS_HOST || !('pool' in to)) continue
      const out = (addresses.get(to.pool) ?? []).filter(({ address }) => !mayBeCalled(address, host))
      if (out.length === 0) continue
      const names = listNames(new Set(out.map(({ address }) => address.origin)), 'and')
      const message = `the Host ${show(host)} cannot be kept at the edge for ${names}: asked under their own name, with the client's host in X-Forwarded-Host`
      const mend = `Use endpoints of the same zone as ${host} or binding: endpoints, or leave "host" out.`
      const inside = filters.host === undefined ? [] : ['variants', index]
      findings.warning(
        'host-rewrite-at-edge',
        [...placeOf.get(rule)!, ...inside, 'filters', 'rewrite', 'host'],
        message,
        mend,
      )
    }
  }
}

function countUsable(pool: PoolConfig): number {
  return pool.endpoints.filter(endpoint => endpoint.weight > 0).length
}

/** In place of a name: the endpoint's own. */
const ENDPOINTS_HOST = 'endpoint'

const spokenAt: Readonly<Record<Door, string>> = {
  edge: 'https:// or http://',
  http: 'https://, http://, h2c://, grpc://, grpcs:// or unix:',
  tcp: 'tcp://, tls:// or unix:',
  tls: 'tcp://, tls:// or unix:',
  udp: 'udp://',
  kernel: 'tcp:// or udp://',
}
