// Routes: on which listeners, for which hostnames. A route with one rule may carry the rule's fields itself; it becomes a
// route with one rule, and problems are told where the operator wrote them.

import type { RecordInput } from './config-http.ts'
import { defaults } from './defaults.ts'
import { type Door, doors } from './doors.ts'
import { didYouMean, type Findings, formatPlace, listNames, type Place, show } from './findings.ts'
import { nearest } from './near.ts'
import { readSample } from './parse-answers.ts'
import { type Raw, type RouteScope, type RuleSpot, readFlowRule, readHttpRule } from './parse-rule.ts'
import type { FlowRule, HttpRule, Route } from './parsed.ts'
import { checkName, readHostnames } from './read-values.ts'
import { flowRoutePart } from './schema-flow.ts'
import { httpRouteHead, httpRulePart, rulesHead } from './schema-http.ts'
import { checkStructure } from './structure.ts'

export interface ReadRoutes {
  readonly routes: readonly Route[]
  /** Of each rule. */
  readonly placeOf: ReadonlyMap<HttpRule | FlowRule, Place>
}

export function readRoutes(input: readonly unknown[], scope: RouteScope): ReadRoutes {
  const routes: Route[] = []
  const placeOf = new Map<HttpRule | FlowRule, Place>()
  const taken = new Map<string, number>()
  for (const [index, raw] of input.entries()) {
    const place = ['routes', index]
    if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) {
      scope.findings.error('wrong-type', place, 'a route is an object', 'Write an object with a name.')
      continue
    }
    const route = readRoute(raw as Raw, place, scope, placeOf)
    const other = taken.get(route.name)
    if (route.name !== '' && other !== undefined) {
      const message = `routes[${other}] has the name ${show(route.name)} already`
      scope.findings.error('duplicate-name', [...place, 'name'], message, 'Give each route its own name.')
    } else taken.set(route.name, index)
    routes.push(route)
  }
  return { routes, placeOf }
}

function readRoute(raw: Raw, place: Place, scope: RouteScope, placeOf: Map<HttpRule | FlowRule, Place>): Route {
  const { findings } = scope
  const { names, door } = readListenerNames(raw, place, scope)
  const isHttp = doors[door].layer === 7
  const head = pick(raw, key => headKeys.includes(key))
  const part = { name: 'route', door }
  const hostnames = isHttp
    ? checkStructure({ ...part, schema: httpRouteHead }, head, place, findings).value?.hostnames
    : void checkStructure({ ...part, schema: flowRoutePart }, head, place, findings)
  const name = typeof raw['name'] === 'string' ? raw['name'] : ''
  if (name !== '') checkName(name, [...place, 'name'], 'route', findings)

  const common = { name, listeners: names }
  const rules = listRules(raw, place, findings)
  const record = isHttp && raw['rules'] !== undefined ? readRulesHead(raw, place, findings) : undefined
  checkRuleNames(rules, place, findings)
  const readEach = <Rule extends HttpRule | FlowRule>(read: (spot: RuleSpot) => Rule | undefined): Rule[] =>
    rules.flatMap(({ raw: rule, here }, index) => {
      const written = (rule as { name?: unknown } | null)?.name
      const ruleName = typeof written === 'string' && rules[0]?.here !== place ? written : undefined
      const otherKeys = here === place ? [...headKeys, 'rules'] : []
      const result = read({
        raw: rule,
        name: ruleName ?? String(index),
        splitName: ruleName === undefined ? name : `${name}/${ruleName}`,
        here,
        door,
        isUdp: names.some(listener => scope.udp.has(listener)),
        sample: readSample(record, defaults.sample),
        otherKeys,
      })
      if (result === undefined) return []
      placeOf.set(result, here)
      return [result]
    })
  if (!isHttp) return { layer: 4, ...common, rules: readEach(spot => readFlowRule(spot, scope)) }
  return {
    layer: 7,
    ...common,
    hostnames: readHostnames(hostnames, [...place, 'hostnames'], findings),
    rules: readEach(spot => readHttpRule(spot, scope)),
  }
}

/** What a route with a list of rules says for all of them. */
function readRulesHead(raw: Raw, place: Place, findings: Findings): RecordInput | undefined {
  const part = { name: 'route', schema: rulesHead, door: undefined }
  return checkStructure(
    part,
    pick(raw, key => key in rulesHead.shape),
    place,
    findings,
  ).value?.record
}

/** The listeners a route names, and a door that says which layer it is on. */
function readListenerNames(raw: Raw, place: Place, scope: RouteScope): { names: readonly string[]; door: Door } {
  const { findings, doorOf } = scope
  const listener = raw['listener']
  if (doorOf === undefined) return { names: [], door: guessDoor(raw) }
  if (listener === undefined) {
    for (const door of ['edge', 'http'] as const) {
      const names = [...doorOf].filter(([, other]) => other === door).map(([name]) => name)
      if (names.length > 0 || [...doorOf.values()].includes(undefined)) return { names, door }
    }
    const others = doorOf.size === 0 ? 'Add a listener first.' : `The listeners are ${listNames(doorOf.keys(), 'and')}.`
    const message =
      '"listener" is missing: a route without one is for the edge, and there is no edge listener, nor one of http'
    findings.error('missing-field', [...place, 'listener'], message, others)
    return { names: [], door: guessDoor(raw) }
  }
  const written = (Array.isArray(listener) ? listener : [listener]).filter(name => typeof name === 'string')
  const found = new Set<Door>()
  for (const [index, name] of written.entries()) {
    const here = Array.isArray(listener) ? [...place, 'listener', index] : [...place, 'listener']
    if (!doorOf.has(name)) {
      const otherwise =
        doorOf.size === 0 ? 'There are none yet.' : `The listeners are ${listNames(doorOf.keys(), 'and')}.`
      const mend = didYouMean(nearest(name, doorOf.keys()), otherwise)
      findings.error('unknown-listener', here, `no listener is named ${show(name)}`, mend)
    }
    const door = doorOf.get(name)
    if (door !== undefined) found.add(door)
  }
  if (new Set([...found].map(door => doors[door].layer)).size > 1) {
    const message = 'the route names listeners of layer 4 and of layer 7'
    findings.error(
      'mixed-layers',
      [...place, 'listener'],
      message,
      'Write a route for each layer; they may share pools.',
    )
  }
  const flows = [...new Set(written)].filter(
    name => doorOf.get(name) !== undefined && doors[doorOf.get(name)!].layer === 4,
  )
  if (flows.some(name => scope.udp.has(name)) && flows.some(name => !scope.udp.has(name))) {
    const message = 'the route names listeners of TCP and of UDP, and no pool can be of both'
    const mend = 'Write a route for each, with a pool of tcp:// and one of udp:// endpoints.'
    findings.error('mixed-transports', [...place, 'listener'], message, mend)
  }
  // Of listeners of several kinds the one that can do less says what the rules may ask.
  const worst = (['kernel', 'tcp', 'edge'] as const).find(each => found.has(each))
  const door = worst ?? [...found][0]
  return { names: [...new Set(written)].filter(name => doorOf.has(name)), door: door ?? guessDoor(raw) }
}

/** Where the listeners do not say: only flows have these timeouts. */
function guessDoor(raw: Raw): Door {
  const timeouts = raw['timeouts']
  const isFlow = typeof timeouts === 'object' && timeouts !== null && ('connect' in timeouts || 'idle' in timeouts)
  return isFlow ? 'tcp' : 'edge'
}

/** The rules as written: the list, or the route itself without the fields of its head. */
function listRules(raw: Raw, place: Place, findings: Findings): { raw: unknown; here: Place }[] {
  const rules = raw['rules']
  const rest = Object.keys(raw).filter(key => key !== 'rules' && !headKeys.includes(key))
  if (rules === undefined) return [{ raw: pick(raw, key => !headKeys.includes(key)), here: place }]
  if (rest.length > 0) {
    const known = rest.filter(key => key in httpRulePart.shape && !(key in rulesHead.shape))
    const strays = rest.filter(key => !(key in httpRulePart.shape))
    if (known.length > 0) {
      const message = `${listNames(known, 'and')} beside "rules": a route has rules or the fields of one rule`
      findings.error(
        'rules-and-fields',
        place,
        message,
        'Move the fields into each of the rules, or leave "rules" out.',
      )
    }
    for (const key of strays) {
      const keys = [...headKeys, 'rules']
      const mend = didYouMean(nearest(key, keys), `The keys are ${listNames(keys, 'and')}.`)
      findings.error('unknown-key', [...place, key], `${show(key)} is not a key here`, mend)
    }
  }
  if (!Array.isArray(rules)) {
    findings.error('wrong-type', [...place, 'rules'], 'the rules of a route are a list', 'Write a list of rules.')
    return []
  }
  if (rules.length === 0) {
    findings.error('empty-list', [...place, 'rules'], 'the list is empty', 'Name at least one, or leave the field out.')
  }
  return rules.map((rule, index) => ({ raw: rule, here: [...place, 'rules', index] }))
}

/** A rule without a name is called by its place: `1` may not be the name of another. */
function checkRuleNames(rules: readonly { raw: unknown; here: Place }[], place: Place, findings: Findings): void {
  if (rules[0]?.here === place) return
  const taken = new Map<string, number>()
  const nameOf = (raw: unknown): unknown => (raw as { name?: unknown } | null)?.name
  for (const [index, { raw }] of rules.entries()) if (typeof nameOf(raw) !== 'string') taken.set(String(index), index)
  for (const [index, { raw, here }] of rules.entries()) {
    const name = nameOf(raw)
    if (typeof name !== 'string' || name === '') continue
    checkName(name, [...here, 'name'], 'rule', findings)
    const other = taken.get(name)
    if (other === undefined) taken.set(name, index)
    else {
      const message = `${formatPlace([...place, 'rules', other])} has the name ${show(name)} already`
      findings.error('duplicate-name', [...here, 'name'], message, 'Give each rule of a route its own name.')
    }
  }
}

function pick(raw: Raw, wanted: (key: string) => boolean): Record<string, unknown> {
  const picked: Record<string, unknown> = Object.create(null)
  for (const key of Object.keys(raw)) if (wanted(key)) picked[key] = raw[key]
  return picked
}

/** `hostnames` on a flow route is told to be of another layer. */
const headKeys: readonly string[] = ['name', 'listener', 'hostnames']
