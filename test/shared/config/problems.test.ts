// Every code `parse` knows, each with its whole words: an operator reads them, and scripts go by the code.

import { expect, test } from 'vitest'
import { parse } from '../../../shared/config/parse.ts'
import { ConfigError } from '../../../shared/config/problem.ts'

type Expected = readonly [code: string, path: string, message: string, mend: string]

const web = { kind: 'edge' }
const db = { kind: 'tcp', address: '127.0.0.1:5432' }
const app = { endpoints: ['https://app.example.com'] }
const sql = { endpoints: ['tcp://sql.example.com:5432'] }

/** A config whose only rule has these fields. */
const rule = (fields: object) => ({
  listeners: { web },
  pools: { app },
  routes: [{ name: 'r', pool: 'app', ...fields }],
})
const onlyRule = (fields: object) => rule({ pool: undefined, ...fields })
const flow = (fields: object) => ({
  listeners: { db },
  pools: { sql },
  routes: [{ name: 'f', listener: 'db', pool: 'sql', ...fields }],
})
const tlsDoor = { kind: 'tls', address: '127.0.0.1:5432' }
const tls = (fields: object, door: object = {}) => ({ ...flow(fields), listeners: { db: { ...tlsDoor, ...door } } })
const pool = (fields: object) => ({
  listeners: { web },
  pools: { app: { ...app, ...fields } },
  routes: [{ name: 'r', pool: 'app' }],
})
const listener = (fields: unknown) => ({
  listeners: { web: fields },
  pools: { app },
  routes: [{ name: 'r', listener: 'web', pool: 'app' }],
})
const variants = (...list: object[]) => onlyRule({ variants: list })
const cachingRelay = (cache: object) => ({
  listeners: { web: { kind: 'http', address: '127.0.0.1:8080' } },
  pools: { app },
  routes: [{ name: 'r', pool: 'app', cache }],
})
const stable = { name: 'stable', weight: 9, pool: 'app' }
const canary = { name: 'canary', weight: 1, pool: 'app' }
const AT_EDGE =
  'Put it on a route of a listener of kind "edge" (the Worker at the edge) or "http" (the relay, HTTP/1.1, HTTP/2 and gRPC per request).'
const AT_TLS = 'Put it on a route of a listener of kind "tls" (the relay, TLS by SNI and ALPN).'
const AT_FLOW =
  'Put it on a route of a listener of kind "tcp" (the relay, any TCP) or "tls" (the relay, TLS by SNI and ALPN) or "udp" (the relay, UDP sessions).'
const AT_RELAY =
  'Put it on a route of a listener of kind "http" (the relay, HTTP/1.1, HTTP/2 and gRPC per request) or "tcp" (the relay, any TCP) or "tls" (the relay, TLS by SNI and ALPN).'

// biome-ignore format: a case is a line of config and a line for each problem
const cases: readonly (readonly [name: string, config: unknown, ...problems: Expected[]])[] = [
  // Structure
  ['a key nobody knows', rule({ retri: {} }),
    ['unknown-key', 'routes[0].retri', '"retri" is not a key here', 'Did you mean "retry"?']],
  ['a slip in the action is told once', onlyRule({ poool: 'app' }),
    ['unknown-key', 'routes[0].poool', '"poool" is not a key here', 'Did you mean "pool"?']],
  ['a key near none', listener({ kind: 'edge', backlog: 1 }),
    ['unknown-key', 'listeners.web.backlog', '"backlog" is not a key here', 'The keys are "kind", "hostnames", "clientAddress", "subrequests", "errorPages", "limits" and "via".']],
  ['a key in one of several alternatives', rule({ match: { path: { exat: '/' } } }),
    ['unknown-key', 'routes[0].match.path.exat', '"exat" is not a key here', 'Did you mean "exact"?']],
  ['a key beside the right one', rule({ match: { header: { 'x.y': { exact: 'a', or: 'b' } } } }),
    ['unknown-key', 'routes[0].match.header["x.y"].or', '"or" is not a key here', 'The keys are "exact", "regex", "present" and "absent".']],
  ['two alternatives at once', rule({ match: { path: { exact: '/a', prefix: '/b' } } }),
    ['exactly-one', 'routes[0].match.path', 'found "exact" and "prefix" of "prefix", "exact" and "regex"', 'Write exactly one of "prefix", "exact" and "regex".']],
  ['none of the alternatives', rule({ match: { path: {} } }),
    ['exactly-one', 'routes[0].match.path', 'found none of "prefix", "exact" and "regex"', 'Write exactly one of "prefix", "exact" and "regex".']],
  ['a number for a text', rule({ match: { query: { q: { exact: 5 } } } }),
    ['wrong-type', 'routes[0].match.query.q.exact', 'expected a text, found a number', 'Write a text here.']],
  ['a number for a length of time or a size', rule({ timeouts: { request: 30 }, limits: { maxBody: 1024 } }),
    ['wrong-type', 'routes[0].timeouts.request', 'expected a text, found a number', 'Write it with its unit: "30s".'],
    ['wrong-type', 'routes[0].limits.maxBody', 'expected a text, found a number', 'Write it with its unit: "1024B".']],
  ['a number for a match', rule({ match: 5 }),
    ['wrong-type', 'routes[0].match', 'expected an object, found a number', 'Write an object here.']],
  ['gRPC at the edge', rule({ match: { grpc: { service: 'a.B' } } }),
    ['wrong-layer', 'routes[0].match.grpc', 'match.grpc is for listeners of kind "http", and not for "edge"', 'Put it on a route of a listener of kind "http" (the relay, HTTP/1.1, HTTP/2 and gRPC per request).']],
  ['true for a retry', rule({ retry: true }),
    ['wrong-type', 'routes[0].retry', 'expected an object or false, found true or false', 'Write an object or false here.']],
  ['a list for the pools', { listeners: { web }, pools: [], routes: [{ name: 'r', pool: 'app' }] },
    ['wrong-type', 'pools', 'expected an object, found a list', 'Write an object here.']],
  ['a text for a route', { listeners: { web }, pools: { app }, routes: [{ name: 'r', pool: 'app' }, 'x'] },
    ['wrong-type', 'routes[1]', 'a route is an object', 'Write an object with a name.']],
  ['a text for the rules', { listeners: { web }, pools: { app }, routes: [{ name: 'r', pool: 'app' }, { name: 's', rules: 'x' }] },
    ['wrong-type', 'routes[1].rules', 'the rules of a route are a list', 'Write a list of rules.']],
  ['an object for the variants', onlyRule({ variants: {} }),
    ['wrong-type', 'routes[0].variants', 'the variants of a rule are a list', 'Write a list of variants.']],
  ['an object for the endpoints', pool({ endpoints: {} }),
    ['wrong-type', 'pools.app.endpoints', 'the endpoints of a pool are a list', 'Write a list of addresses.']],
  ['a text for a listener', listener('edge'),
    ['wrong-type', 'listeners.web', 'a listener is an object', 'Write an object with a kind.']],
  ['a field left out', { listeners: { web }, pools: { app } },
    ['missing-field', 'routes', '"routes" is missing', 'Add it; it is a list.']],
  ['a route without a name', rule({ name: undefined }),
    ['missing-field', 'routes[0].name', '"name" is missing', 'Add it; it is a text.']],
  ['a pool without endpoints field', pool({ endpoints: undefined }),
    ['missing-field', 'pools.app.endpoints', '"endpoints" is missing', 'Add it.']],
  ['a variant without a weight', variants(stable, { name: 'canary', pool: 'app' }),
    ['missing-field', 'routes[0].variants[1].weight', '"weight" is missing', 'Add it; it is a number.']],
  ['a listener without a kind', listener({}),
    ['missing-field', 'listeners.web.kind', '"kind" is missing', 'Write "edge", "http", "tcp", "tls" or "udp".']],
  ['a route without a listener where there is no edge', { listeners: { db }, pools: { sql }, routes: [flow({}).routes[0], { name: 'g', pool: 'sql' }] },
    ['missing-field', 'routes[1].listener', '"listener" is missing: a route without one is for the edge, and there is no edge listener, nor one of http', 'The listeners are "db".']],
  ['a force from nowhere', onlyRule({ variants: [stable, canary], split: { force: { to: 'canary' } } }),
    ['missing-field', 'routes[0].split.force', 'nothing says where the force comes from', 'Add "header" or "cookie", or both.']],
  ['an empty text', pool({ endpoints: [''] }),
    ['empty-text', 'pools.app.endpoints[0]', 'the text is empty', 'Write at least one character.']],
  ['a query parameter without a name', rule({ match: { query: { '': 'x' } } }),
    ['empty-text', 'routes[0].match.query[""]', 'a query parameter has a name', 'Write its name.']],
  ['an empty list', rule({ match: { address: [] } }),
    ['empty-list', 'routes[0].match.address', 'the list is empty', 'Name at least one, or leave the field out.']],
  ['an empty list of matches', rule({ match: [] }),
    ['empty-list', 'routes[0].match', 'the list is empty', 'Name at least one, or leave the field out.']],
  ['an empty list of variants', variants(),
    ['empty-list', 'routes[0].variants', 'the list is empty', 'Name at least one, or leave the field out.']],
  ['an empty list of rules', { listeners: { web }, pools: { app }, routes: [{ name: 'r', pool: 'app' }, { name: 's', rules: [] }] },
    ['empty-list', 'routes[1].rules', 'the list is empty', 'Name at least one, or leave the field out.']],
  ['a value that is none of the choices', pool({ balance: 'roundrobin' }),
    ['unknown-value', 'pools.app.balance', '"roundrobin" is not one of the values here', 'Did you mean "round-robin"?']],
  ['a value near none of the choices', onlyRule({ variants: [stable, canary], split: { pin: 'forever' } }),
    ['unknown-value', 'routes[0].split.pin', '"forever" is not one of the values here', 'Write "weight" or "first".']],
  ['false for present', rule({ match: { cookie: { c: { present: false } } } }),
    ['unknown-value', 'routes[0].match.cookie.c.present', 'false is not one of the values here', 'Write true.']],
  ['a retry on nothing known', rule({ retry: { on: ['conect-failure', '200'] } }),
    ['unknown-value', 'routes[0].retry.on[0]', '"conect-failure" is not something to retry on', 'Did you mean "connect-failure"?'],
    ['unknown-value', 'routes[0].retry.on[1]', '"200" is not something to retry on', 'Write "connect-failure", "ambiguous", "sent", "timeout", "reset", "5xx" or "gateway-error", or a status from 400 to 599.']],
  ['a number out of bounds', rule({ retry: { attempts: 11 } }),
    ['out-of-range', 'routes[0].retry.attempts', '11 is out of bounds', 'Write a whole number from 1 to 10.']],
  ['a fraction for a whole number', flow({ retry: { attempts: 1.5 } }),
    ['out-of-range', 'routes[0].retry.attempts', '1.5 is not a whole number', 'Write a whole number from 1 to 10.']],
  ['a fraction out of bounds', pool({ balance: { hash: 'address', boundedLoad: 1 } }),
    ['out-of-range', 'pools.app.balance.boundedLoad', '1 is out of bounds', 'Write a number from 1.01 to 10.']],
  ['a time out of bounds', rule({ timeouts: { request: '25d' } }),
    ['out-of-range', 'routes[0].timeouts.request', '"25d" is out of bounds', 'Write a time from 1ms to 2147483647ms.']],
  ['a size out of bounds', rule({ retry: { maxBuffer: '1GiB' } }),
    ['out-of-range', 'routes[0].retry.maxBuffer', '"1GiB" is out of bounds', 'Write a size from 0B to 10MiB.']],
  ['a first ejection longer than the longest', pool({ outlier: { baseEjection: '10m' } }),
    ['out-of-range', 'pools.app.outlier.baseEjection', '10m is longer than maxEjection, 5m', 'Raise maxEjection or lower baseEjection.']],
  ['rules and the fields of one', rule({ rules: [{ pool: 'app' }] }),
    ['rules-and-fields', 'routes[0]', '"pool" beside "rules": a route has rules or the fields of one rule', 'Move the fields into each of the rules, or leave "rules" out.']],
  ['a stray key beside rules', onlyRule({ rules: [{ pool: 'app' }], hostname: 'x' }),
    ['unknown-key', 'routes[0].hostname', '"hostname" is not a key here', 'Did you mean "hostnames"?']],

  // Names
  ['a pool nobody has', rule({ pool: 'ap' }),
    ['unknown-pool', 'routes[0].pool', 'no pool is named "ap"', 'Did you mean "app"?']],
  ['a pool near none', variants(stable, { ...canary, pool: 'zzz' }),
    ['unknown-pool', 'routes[0].variants[1].pool', 'no pool is named "zzz"', 'The pools are "app".']],
  ['a listener nobody has', rule({ listener: ['web', 'wbe'] }),
    ['unknown-listener', 'routes[0].listener[1]', 'no listener is named "wbe"', 'Did you mean "web"?']],
  ['a kind nobody knows', listener({ kind: 'egde' }),
    ['unknown-kind', 'listeners.web.kind', '"egde" is not a kind of listener', 'Did you mean "edge"?']],
  ['two routes of one name', { listeners: { web }, pools: { app }, routes: [{ name: 'r', pool: 'app' }, { name: 'r', pool: 'app' }] },
    ['duplicate-name', 'routes[1].name', 'routes[0] has the name "r" already', 'Give each route its own name.']],
  ['two rules of one name', onlyRule({ rules: [{ name: 'a', pool: 'app' }, { name: 'a', pool: 'app' }] }),
    ['duplicate-name', 'routes[0].rules[1].name', 'routes[0].rules[0] has the name "a" already', 'Give each rule of a route its own name.']],
  ['a rule called as another stands', onlyRule({ rules: [{ name: '1', pool: 'app' }, { pool: 'app' }] }),
    ['duplicate-name', 'routes[0].rules[0].name', 'routes[0].rules[1] has the name "1" already', 'Give each rule of a route its own name.']],
  ['two variants of one name', variants(stable, stable),
    ['duplicate-name', 'routes[0].variants[1].name', 'there is a variant "stable" in this rule already', 'Give each its own name.']],
  ['two endpoints of one address', pool({ endpoints: ['https://a:443', { address: '${A:-https://a/}' }] }),
    ['duplicate-name', 'pools.app.endpoints[1]', 'the pool has an endpoint "https://a" already, at [0]', 'Leave one out, or give each a name; a weight says it counts for more.']],
  ['two splits of one name that differ', { listeners: { web }, pools: { app }, routes: [{ name: 'r', variants: [stable, canary], split: { name: 's' } }, { name: 'q', rules: [{ variants: [stable, { ...canary, weight: 2 }], split: { name: 's' } }] }] },
    ['duplicate-name', 'routes[1].rules[0].split.name', 'the split "s" is at routes[0] already, with other variants, weights, salt or epoch', 'Give the rule a name or the split one of its own, or make the two alike.']],
  ['a header condition given twice', rule({ match: { header: { 'X-A': 'a', 'x-a': 'b' } } }),
    ['duplicate-name', 'routes[0].match.header.x-a', '"x-a" is there already', 'Write one condition for each name.']],
  ['a header set twice', rule({ filters: { requestHeaders: { set: { 'X-A': 'a', 'x-a': 'b' } } } }),
    ['duplicate-name', 'routes[0].filters.requestHeaders.set.x-a', '"x-a" is there already: header names are compared without case', 'Write each name once.']],
  ['a content type given twice', onlyRule({ reply: { status: 200, contentType: 'text/html', headers: { 'Content-Type': 'a/b' } } }),
    ['duplicate-name', 'routes[0].reply.contentType', '"content-type" is among the headers already', 'Write it once.']],
  ['a name that cannot stand in an id', rule({ name: 'a/b' }),
    ['bad-name', 'routes[0].name', 'the route name "a/b" holds more than letters, digits and _ . : - or does not begin with a letter or digit', 'Write a name such as app or app-v2.']],
  ['a name too long', { listeners: { web }, pools: { app, ['p'.repeat(64)]: app }, routes: [{ name: 'r', pool: 'app' }, { name: 's', pool: 'p'.repeat(64) }] },
    ['bad-name', `pools.${'p'.repeat(64)}`, `the pool name "${'p'.repeat(64)}" is longer than 63 characters`, 'Write a name such as app or app-v2.']],
  ['a variant called always', variants(stable, { ...canary, name: 'always' }),
    ['bad-name', 'routes[0].variants[1].name', 'the variant name "always" is a word that force headers and cookies use', 'Choose another name.']],

  // Layers
  ['a path at layer 4', flow({ match: { path: '/x' } }),
    ['wrong-layer', 'routes[0].match.path', 'match.path needs layer 7, and "tcp" listeners are layer 4', AT_EDGE]],
  ['a hostname at layer 4', flow({ hostnames: ['a.example.com'] }),
    ['wrong-layer', 'routes[0].hostnames', 'route.hostnames needs layer 7, and "tcp" listeners are layer 4', AT_EDGE]],
  ['a reply at layer 4', flow({ pool: undefined, reply: { status: 200 } }),
    ['wrong-layer', 'routes[0].reply', 'rule.reply needs layer 7, and "tcp" listeners are layer 4', AT_EDGE]],
  ['a forced split at layer 4', flow({ pool: undefined, variants: [{ ...stable, pool: 'sql' }, { ...canary, pool: 'sql' }], split: { by: { cookie: 'c' }, force: { to: 'canary' } } }),
    ['wrong-layer', 'routes[0].split.by', 'split.by needs layer 7, and "tcp" listeners are layer 4', AT_EDGE],
    ['wrong-layer', 'routes[0].split.force', 'split.force needs layer 7, and "tcp" listeners are layer 4', AT_EDGE]],
  ['filters of a variant at layer 4', flow({ pool: undefined, variants: [{ ...stable, pool: 'sql', filters: {} }] }),
    ['wrong-layer', 'routes[0].variants[0].filters', 'variant.filters needs layer 7, and "tcp" listeners are layer 4', AT_EDGE]],
  ['retry conditions at layer 4', flow({ retry: { on: ['502'] } }),
    ['wrong-layer', 'routes[0].retry.on', 'rule.retry.on needs layer 7, and "tcp" listeners are layer 4', AT_EDGE]],
  ['a connect timeout at layer 7', rule({ timeouts: { connect: '1s' } }),
    ['wrong-layer', 'routes[0].timeouts.connect', 'rule.timeouts.connect is for listeners of kind "http", "tcp" or "tls", and not for "edge"', AT_RELAY]],
  ['cookie affinity of a pool at layer 4', { ...flow({}), pools: { sql: { ...sql, affinity: {} } } },
    ['wrong-layer', 'pools.sql.affinity', 'pool.affinity needs layer 7, and "tcp" listeners are layer 4: route "f" sends to this pool', AT_EDGE]],
  ['a flow hash of a pool at layer 7', pool({ balance: { hash: 'flow' } }),
    ['wrong-layer', 'pools.app.balance.hash', 'pool.balance.hash.flow needs layer 4, and "edge" listeners are layer 7: route "r" sends to this pool', AT_FLOW]],
  ['listeners of both layers', { listeners: { web, db }, pools: { app }, routes: [{ name: 'r', listener: ['web', 'db'], pool: 'app' }] },
    ['mixed-layers', 'routes[0].listener', 'the route names listeners of layer 4 and of layer 7', 'Write a route for each layer; they may share pools.'],
    ['wrong-scheme', 'pools.app.endpoints[0]', 'route "r" on a "tcp" listener sends to this pool and cannot speak https://', 'Write tcp://, tls:// or unix: here, or give the route a pool of its own.']],
  ['a grpc endpoint at the edge', pool({ endpoints: ['grpc://a:50051'] }),
    ['wrong-scheme', 'pools.app.endpoints[0]', 'route "r" on a "edge" listener sends to this pool and cannot speak grpc://', 'Write https:// or http:// here, or serve the route on an "http" listener (the relay, HTTP/1.1, HTTP/2 and gRPC per request).']],
  ['a grpcs endpoint at the edge', pool({ endpoints: ['grpcs://a'] }),
    ['wrong-scheme', 'pools.app.endpoints[0]', 'route "r" on a "edge" listener sends to this pool and cannot speak grpcs://', 'Write https:// or http:// here, or serve the route on an "http" listener (the relay, HTTP/1.1, HTTP/2 and gRPC per request).']],
  ['a tcp endpoint at the edge', pool({ endpoints: [{ address: 'tcp://a:1' }] }),
    ['wrong-scheme', 'pools.app.endpoints[0].address', 'route "r" on a "edge" listener sends to this pool and cannot speak tcp://', 'Write https:// or http:// here, or give the route a pool of its own.']],

  // Actions, weights, splits
  ['no action', onlyRule({}),
    ['exactly-one', 'routes[0]', 'found none of "pool", "variants", "redirect" and "reply"', 'Write exactly one of "pool", "variants", "redirect" and "reply".']],
  ['two actions', rule({ reply: { status: 200 } }),
    ['exactly-one', 'routes[0]', 'found "pool" and "reply" of "pool", "variants", "redirect" and "reply"', 'Write exactly one of "pool", "variants", "redirect" and "reply".']],
  ['no action of a flow', flow({ pool: undefined }),
    ['exactly-one', 'routes[0]', 'found none of "pool" and "variants"', 'Write exactly one of "pool" and "variants".']],
  ['a variant that goes nowhere', variants(stable, { name: 'canary', weight: 1 }),
    ['exactly-one', 'routes[0].variants[1]', 'found none of "pool", "redirect" and "reply"', 'Write exactly one of "pool", "redirect" and "reply".']],
  ['a rewrite of nothing', rule({ filters: { rewrite: {} } }),
    ['exactly-one', 'routes[0].filters.rewrite', 'found none of "path", "prefix" or "host"', 'Write "path", "prefix" or "host".']],
  ['a rewrite of path and prefix', rule({ filters: { rewrite: { path: '/a', prefix: '/b' } } }),
    ['exactly-one', 'routes[0].filters.rewrite', 'found "path" and "prefix"', 'Write one of "path" and "prefix".']],
  ['a weight below zero', variants(stable, { ...canary, weight: -1 }),
    ['bad-weight', 'routes[0].variants[1].weight', '-1 is out of bounds', 'Write a whole number from 0 to 1,000,000.']],
  ['a fraction of a weight', variants(stable, { ...canary, weight: 0.5 }),
    ['bad-weight', 'routes[0].variants[1].weight', '0.5 is not a whole number', 'Write a whole number from 0 to 1,000,000.']],
  ['a weight beyond a million', variants(stable, { ...canary, weight: 1_000_001 }),
    ['bad-weight', 'routes[0].variants[1].weight', '1000001 is out of bounds', 'Write a whole number from 0 to 1,000,000.']],
  ['a weight of an endpoint', pool({ endpoints: [{ address: 'https://a', weight: 1_001 }] }),
    ['bad-weight', 'pools.app.endpoints[0].weight', '1001 is out of bounds', 'Write a whole number from 0 to 1,000.']],
  ['variants without any weight', variants({ ...stable, weight: 0 }, { ...canary, weight: 0 }),
    ['zero-weights', 'routes[0].variants', 'every variant has weight 0', 'Give at least one of them a weight.']],
  ['endpoints without any weight', pool({ endpoints: [{ address: 'https://a', weight: 0 }] }),
    ['zero-weights', 'pools.app.endpoints', 'every endpoint of the pool has weight 0', 'Give at least one of them a weight.']],
  ['a pool without endpoints', pool({ endpoints: [] }),
    ['no-endpoints', 'pools.app.endpoints', 'the pool has no endpoints', 'Name at least one address, or say `closed: true`.']],
  ['a split without variants', rule({ split: {} }),
    ['split-without-variants', 'routes[0].split', 'there is a split and nothing to split: the rule has no variants', 'Add "variants", or leave "split" out.']],
  ['a force to a variant nobody has', onlyRule({ variants: [stable, canary], split: { force: { header: 'x-c', to: 'canari' } } }),
    ['force-unknown-variant', 'routes[0].split.force.to', 'there is no variant "canari" in this rule', 'Did you mean "canary"?']],

  // Values
  ['a regex that is none', rule({ match: { path: { regex: '/(' } } }),
    ['bad-regex', 'routes[0].match.path.regex', '"/(" is not a regular expression: unterminated group', 'Write it as JavaScript does with the flag u.']],
  ['a regex whole only inside a group', rule({ match: { path: { regex: '/a)(b' } } }),
    ['bad-regex', 'routes[0].match.path.regex', '"/a)(b" is not a regular expression: unmatched \')\'', 'Write it as JavaScript does with the flag u.']],
  ['a regex with an escape of nothing', rule({ match: { header: { a: { regex: 'a\\-b' } } } }),
    ['bad-regex', 'routes[0].match.header.a.regex', '"a\\\\-b" is not a regular expression: invalid escape', 'Write it as JavaScript does with the flag u.']],
  ['a regex that backtracks exponentially', rule({ match: { cookie: { c: { regex: '(a|aa)+$' } } } }),
    ['slow-regex', 'routes[0].match.cookie.c.regex', '"(a|aa)+$" can take exponential time: a loop in it reads one text in several ways', 'Let each text be read in one way only: (a+)+ says no more than a+, (a|aa)+ no more than a+.']],
  ['a regex too large to be judged', rule({ match: { query: { q: { regex: 'a{2000}' } } } }),
    ['slow-regex', 'routes[0].match.query.q.regex', '"a{2000}" is too large to be judged', 'Use * or + in place of large counts, or several matches.']],
  ['a regex with three loops in a row that overlap', rule({ match: { path: { regex: '/.*/.*/.*\\.png' } } }),
    ['slow-regex', 'routes[0].match.path.regex', '"/.*/.*/.*\\\\.png" can take seconds: its parts ".*", ".*" and ".*" overlap, so that one text can be shared among them in very many ways', 'Let each part end where the next begins: [^/]* in place of .* stops at the next slash.']],
  ['a path regex that no path begins with', rule({ match: [{ path: { regex: 'api/.*' } }, { path: { regex: '' } }, { path: { regex: '^(?:a|/)?b?/c' } }, { header: { a: { regex: 'api/.*' } } }] }),
    ['unreachable-regex', 'routes[0].match[0].path.regex', '"api/.*" takes no path: every path begins with /', 'Begin it with / or .*: a regex has to match the whole path.'],
    ['unreachable-regex', 'routes[0].match[1].path.regex', '"" takes no path: every path begins with /', 'Begin it with / or .*: a regex has to match the whole path.']],
  ['a CIDR that is none', rule({ match: { address: ['10.0.0.0/8', '10.0.0.0/33'] } }),
    ['bad-cidr', 'routes[0].match.address[1]', '"10.0.0.0/33" is not an address or CIDR', 'Write one such as 10.0.0.0/8 or 2001:db8::/32.']],
  ['a proxy that is none', listener({ kind: 'edge', clientAddress: { trustedProxies: ['proxy'] } }),
    ['bad-cidr', 'listeners.web.clientAddress.trustedProxies[0]', '"proxy" is not an address or CIDR', 'Write one such as 10.0.0.0/8 or 2001:db8::/32.']],
  ['a hostname with a port', rule({ hostnames: ['https://app.example.com:8080/x'] }),
    ['bad-hostname', 'routes[0].hostnames[0]', '"https://app.example.com:8080/x" is not a hostname', 'Write a name such as app.example.com, without scheme, port or path.']],
  ['a hostname in another script', rule({ hostnames: ['bücher.example'] }),
    ['bad-hostname', 'routes[0].hostnames[0]', '"bücher.example" is not a hostname', 'Write a name such as xn--bcher-kva.example, without scheme, port or path.']],
  ['a wildcard in the middle', rule({ hostnames: ['a.*.example'] }),
    ['bad-hostname', 'routes[0].hostnames[0]', '"a.*.example" is not a hostname', 'Write a name such as app.example.com or *.example.com, without scheme, port or path.']],
  ['a wildcard to be redirected to', onlyRule({ redirect: { host: '*.example.com' } }),
    ['bad-hostname', 'routes[0].redirect.host', '"*.example.com" is not a hostname', 'Write a name such as example.com, without scheme, port or path.']],
  ['a path without its slash', rule({ match: { path: 'api' } }),
    ['bad-path', 'routes[0].match.path', 'the path "api" has to begin with /', 'Write a path such as /api/v1.']],
  ['a path with a query', rule({ match: { path: { exact: '/a?b=c' } } }),
    ['bad-path', 'routes[0].match.path.exact', 'the path "/a?b=c" holds a ? or #: a path ends before them', 'Write a path such as /api/v1.']],
  ['a path that no request has', rule({ filters: { rewrite: { path: '/caf\u00e9/%61/../b' } } }),
    ['bad-path', 'routes[0].filters.rewrite.path', 'the path "/caf\u00e9/%61/../b" never looks like this in a request: there it is /caf%C3%A9/b', 'Write a path such as /api/v1.']],
  ['a header name that is none', rule({ match: { header: { 'x y': 'z' } } }),
    ['bad-header-name', 'routes[0].match.header["x y"]', '"x y" is not the name of a header field', 'Write letters, digits and dashes: x-canary.']],
  ['a filter on Host', rule({ filters: { requestHeaders: { set: { Host: 'x' } } } }),
    ['bad-header-name', 'routes[0].filters.requestHeaders.set.Host', '"Host" is set by the way the endpoint is called, and Workers cannot set it', 'Leave it out.']],
  ['a filter on a hop-by-hop field', rule({ filters: { responseHeaders: { remove: ['Connection'] } } }),
    ['bad-header-name', 'routes[0].filters.responseHeaders.remove[0]', '"Connection" speaks about one connection and is removed on the way (RFC 9110 7.6.1)', 'Leave it out.']],
  ['a content length in a reply', onlyRule({ reply: { status: 200, headers: { 'content-length': '5' } } }),
    ['bad-header-name', 'routes[0].reply.headers.content-length', '"content-length" follows from the body', 'Leave it out.']],
  ['a header value of two lines', rule({ filters: { requestHeaders: { add: { a: 'b\r\nc: d' } } } }),
    ['bad-header-value', 'routes[0].filters.requestHeaders.add.a', '"b\\r\\nc: d" cannot be the value of a header field', 'Leave out line breaks and other control characters, and write other scripts percent-encoded.']],
  ['a cookie name that is none', onlyRule({ variants: [stable, canary], split: { by: { cookie: 'a=b' } } }),
    ['bad-cookie-name', 'routes[0].split.by.cookie', '"a=b" is not the name of a cookie', 'Write letters, digits, dashes and underscores: fs_id.']],
  ['a time without unit', pool({ slowStart: '30' }),
    ['bad-duration', 'pools.app.slowStart', '"30" is not a length of time', 'Write one such as "250ms", "2s", "5m", "1h" or "30d".']],
  ['a size in thousands', rule({ retry: { maxBuffer: '64KB' } }),
    ['bad-size', 'routes[0].retry.maxBuffer', '"64KB" is not a size', 'Write one such as "512B", "64KiB", "10MiB" or "1GiB".']],
  ['an endpoint of a later scheme', pool({ endpoints: ['srv://a'] }),
    ['bad-address', 'pools.app.endpoints[0]', '"srv://a": srv: is not supported yet (https://, http://, h2c://, grpc://, grpcs://, tcp://, tls://, udp://, unix: and binding: are)', 'Write an address such as https://app.example.com or tcp://db.example.com:5432.']],
  ['a listener without a port', { ...flow({}), listeners: { db: { kind: 'tcp', address: '127.0.0.1' } } },
    ['bad-address', 'listeners.db.address', '"127.0.0.1" is not an address to listen on', 'Write host and port, or a path: 127.0.0.1:5432, 0.0.0.0:5432, [::1]:5432 or unix:/run/app.sock.']],
  ['a variable that is not set', pool({ endpoints: ['${APP}'] }),
    ['unset-variable', 'pools.app.endpoints[0]', 'the variable APP in "${APP}" is not set', 'Set it, or write a default: ${APP:-https://app.example.com}.']],
  ['a status that is none', onlyRule({ reply: { status: 600 } }),
    ['bad-status', 'routes[0].reply.status', '600 is out of bounds', 'Write a whole number from 200 to 599.']],
  ['a redirect by another status', onlyRule({ redirect: { path: '/', status: 300 } }),
    ['bad-status', 'routes[0].redirect.status', '300 is not one of the values here', 'Write 301, 302, 303, 307 or 308.']],
  ['a body where none may be', onlyRule({ reply: { status: 204, body: 'x' } }),
    ['bad-status', 'routes[0].reply.status', 'an answer with status 204 has no body (RFC 9110 section 6.4.1)', 'Leave the body out, or write status 200.']],
  ['a method that is none', rule({ match: { method: ['GET', 'P OST'] } }),
    ['bad-method', 'routes[0].match.method[1]', '"P OST" is not a method', 'Write one such as GET or POST.']],
  ['a country by its name', rule({ match: { country: 'Germany' } }),
    ['bad-country', 'routes[0].match.country', '"Germany" is not a country code', 'Write ISO 3166-1 alpha-2: DE, FR; T1 is Tor at Cloudflare.']],
  ['a template nobody knows', rule({ filters: { requestHeaders: { set: { a: '{clinet.address}' } } } }),
    ['template-unknown', 'routes[0].filters.requestHeaders.set.a', 'nothing is known as {clinet.address} in a header value', 'Did you mean "client.address"?']],
  ['one try longer than all', rule({ timeouts: { try: '1m' } }),
    ['bad-timeouts', 'routes[0].timeouts.try', 'one try may take 1m, and all tries together 30s unless said otherwise', 'Raise "request", which bounds all tries, or lower "try".']],
  ['a prefix put in place of a regex', rule({ match: { path: { regex: '/a' } }, filters: { rewrite: { prefix: '/b' } } }),
    ['prefix-without-match', 'routes[0].filters.rewrite.prefix', 'there is no prefix to replace: the rule matches the path by regex', 'Match by prefix, or write "path".']],
  ['a redirect of the prefix of an exact path', onlyRule({ match: { path: { exact: '/a' } }, redirect: { prefix: '/b' } }),
    ['prefix-without-match', 'routes[0].redirect.prefix', 'there is no prefix to replace: the rule matches the path by exact', 'Match by prefix, or write "path".']],
  ['a redirect to itself', onlyRule({ redirect: { status: 301 } }),
    ['empty-redirect', 'routes[0].redirect', 'the redirect changes nothing: the client would come back for ever', 'Write at least one of "scheme", "host", "port", "path" and "prefix".']],

  // Side by side
  ['two listeners on one address', { ...flow({ listener: ['db', 'dc'] }), listeners: { db, dc: db } },
    ['duplicate-address', 'listeners.dc.address', 'listener "db" has 127.0.0.1:5432 already', 'Give each a place of its own.']],
  ['two listeners on one unix socket', { ...flow({ listener: ['db', 'dc'] }), listeners: { db: { ...db, address: 'unix:/run/a' }, dc: { ...db, address: 'unix:/run/a' } } },
    ['duplicate-address', 'listeners.dc.address', 'listener "db" has unix:/run/a already', 'Give each a place of its own.']],
  ['a unix socket without a path', { ...flow({}), listeners: { db: { kind: 'tcp', address: 'unix:run/a' } } },
    ['bad-address', 'listeners.db.address', '"unix:run/a" is not an address to listen on: the path of a socket begins with one slash: unix:/run/app.sock', 'Write host and port, or a path: 127.0.0.1:5432, 0.0.0.0:5432, [::1]:5432 or unix:/run/app.sock.']],
  ['a file mode that is none', { ...flow({}), listeners: { db: { kind: 'tcp', address: 'unix:/run/a', socketMode: '660' } } },
    ['bad-mode', 'listeners.db.socketMode', '"660" is not a file mode', 'Write it in octal: "0660".']],
  ['a file mode of a port', { ...flow({}), listeners: { db: { ...db, socketMode: '0660' } } },
    ['bad-mode', 'listeners.db.socketMode', 'only a unix: socket has a file mode', 'Leave it out, or listen on unix:/path.']],
  ['a server name asked for at a tcp listener', flow({ match: { sni: 'a.test' } }),
    ['wrong-layer', 'routes[0].match.sni', 'match.sni is for listeners of kind "tls", and not for "tcp"', AT_TLS]],
  ['a server name asked for where one of two listeners is tcp', { ...tls({ listener: ['db', 'plain'], match: { alpn: 'h2' } }), listeners: { db: tlsDoor, plain: { ...db, address: '127.0.0.1:1' } } },
    ['wrong-layer', 'routes[0].match.alpn', 'match.alpn is for listeners of kind "tls", and not for "tcp"', AT_TLS]],
  ['a server name that is none', tls({ match: { sni: ['a.test', 'https://b.test'] } }),
    ['bad-hostname', 'routes[0].match.sni[1]', '"https://b.test" is not a hostname', 'Write a name such as b.test, without scheme, port or path.']],
  ['a protocol that is none', tls({ match: { alpn: ['h2', 'h 2'] } }),
    ['bad-protocol', 'routes[0].match.alpn[1]', '"h 2" is not the name of a protocol', 'Write one such as h2 or http/1.1.']],
  ['two rules for any client of a tls listener', tls({ rules: [{ pool: 'sql' }, { match: { sni: 'a.test' }, pool: 'sql' }, { pool: 'sql' }], pool: undefined }),
    ['second-default', 'routes[0].rules[2]', 'routes[0].rules[0] takes any client of listener "db" already', 'Give one of them match.address, or a listener of its own.']],
  ['two rules for one name', tls({ rules: [{ match: { sni: ['a.test', 'b.test'] }, pool: 'sql' }, { match: { sni: 'B.test' }, pool: 'sql' }], pool: undefined }),
    ['second-default', 'routes[0].rules[1]', 'routes[0].rules[0] takes any client that asks for "b.test" of listener "db" already', 'Give one of them match.address, or a listener of its own.']],
  ['two rules for one name and protocol', tls({ rules: [{ match: { sni: 'a.test', alpn: ['h2', 'h3'] }, pool: 'sql' }, { match: { sni: 'a.test', alpn: ['h3', 'h2'] }, pool: 'sql' }], pool: undefined }),
    ['second-default', 'routes[0].rules[1]', 'routes[0].rules[0] takes any client that asks for "a.test" and offers "h2" or "h3" of listener "db" already', 'Give one of them match.address, or a listener of its own.']],
  ['a client certificate where TLS passes through', tls({}, { clientCa: 'ca.pem' }),
    ['missing-field', 'listeners.db.clientCa', '"clientCa" is for a listener where TLS ends, and "certificates" is missing', 'Add "certificates", or leave it out.']],
  ['a client certificate that nobody verifies', tls({}, { certificates: [{ cert: 'c', key: 'k' }], requireClientCertificate: true }),
    ['missing-field', 'listeners.db.clientCa', 'a client certificate is required and "clientCa" is missing: nobody could verify it', 'Name the PEM file of the authorities.']],
  ['a peek out of bounds', tls({}, { maxPeek: '1MiB' }),
    ['out-of-range', 'listeners.db.maxPeek', '"1MiB" is out of bounds', 'Write a size from 512B to 64KiB.']],
  ['a protocol to start TLS in that nobody knows', tls({}, { startTls: 'smtp' }),
    ['unknown-value', 'listeners.db.startTls', '"smtp" is not one of the values here', 'Write "postgres".']],
  ['a certificate without its key towards endpoints', { ...flow({}), pools: { sql: { ...sql, tls: { cert: 'c.pem' } } } },
    ['missing-field', 'pools.sql.tls.key', '"key" is missing: a certificate and its key go together', 'Name both files, or neither.']],
  ['TLS of a pool at the edge', pool({ tls: { verify: false } }),
    ['wrong-layer', 'pools.app.tls', 'pool.tls is for listeners of kind "http", "tcp" or "tls", and not for "edge": route "r" sends to this pool', AT_RELAY]],
  ['two listeners for any host', { listeners: { web, web2: web }, pools: { app }, routes: [{ name: 'r', pool: 'app' }] },
    ['duplicate-hostname', 'listeners.web2', 'listener "web" takes any host already', 'Give each hostname to one listener.']],
  ['two listeners for one host', { listeners: { web, a: { kind: 'edge', hostnames: ['a.example'] }, b: { kind: 'edge', hostnames: ['A.example.'] } }, pools: { app }, routes: [{ name: 'r', pool: 'app' }] },
    ['duplicate-hostname', 'listeners.b.hostnames', 'listener "a" takes "a.example" already', 'Give each hostname to one listener.']],
  ['a store of answers out of bounds', { ...cachingRelay({}), cacheStore: { memory: '1KiB' } },
    ['out-of-range', 'cacheStore.memory', '"1KiB" is out of bounds', 'Write a size from 1MiB to 256GiB.']],
  ['a key of the store that nobody knows', { ...cachingRelay({}), cacheStore: { memori: '1MiB' } },
    ['unknown-key', 'cacheStore.memori', '"memori" is not a key here', 'Did you mean "memory"?']],
  ['two rules for any client', { ...flow({}), routes: [...flow({}).routes, { name: 'g', listener: 'db', pool: 'sql' }] },
    ['second-default', 'routes[1]', 'routes[0] takes any client of listener "db" already', 'Give one of them match.address, or a listener of its own.']],
]

test.each(cases.map(([name, config, ...problems]) => [name, config, problems] as const))(
  '%s is told',
  (_, config, problems) => {
    const told = problemsOf(config).map(({ code, path, message, mend }) => [code, path, message, mend])
    expect(told.filter(([code]) => code !== 'unused-pool')).toEqual(problems)
  },
)

// biome-ignore format: as above
const warned: readonly (readonly [name: string, config: unknown, ...problems: Expected[]])[] = [
  ['a store of answers that nothing uses', { ...rule({ cache: true }), cacheStore: { memory: '128MiB' } },
    ['cache-store-unused', 'cacheStore', 'no rule on an "http" listener has a cache, so a relay stores nothing', 'Leave "cacheStore" out, or give such a rule a cache.']],
  ['a store of answers too small for one of them', { ...cachingRelay({ maxBody: '100MiB' }), cacheStore: { memory: '32MiB' } },
    ['cache-store-small', 'cacheStore.memory', 'routes[0] stores answers of up to 100MiB, and there is room for 32MiB', "Give it more, or lower the rule's cache.maxBody."]],
  ['a pool that no route uses', { listeners: { web }, pools: { app, old: app }, routes: [{ name: 'r', pool: 'app' }] },
    ['unused-pool', 'pools.old', 'no route sends anything to the pool "old"', 'Name it in a route, or leave it out.']],
  ['a listener that no route is on', { listeners: { web, db }, pools: { app }, routes: [{ name: 'r', pool: 'app' }] },
    ['unused-listener', 'listeners.db', 'no route is on listener "db": everything that comes in there is refused', 'Name it in a route, or leave it out.']],
  ['an address asked of a listener that knows none', { listeners: { web: { kind: 'edge', clientAddress: 'none' } }, pools: { app: { ...app, balance: { hash: 'address' } } }, routes: [{ name: 'r', rules: [{ match: { address: '10.0.0.0/8' }, variants: [stable, canary], split: { by: 'address' } }] }] },
    ['address-unknown', 'routes[0].rules[0]', 'listener "web" has clientAddress "none", so there is nothing for "match.address", "split.by" and "balance.hash" to go by', 'Say clientAddress "cloudflare", or name trustedProxies.']],
]

test.each(warned.map(([name, config, ...problems]) => [name, config, problems] as const))(
  '%s is warned of',
  (_, config, problems) => {
    const { warnings } = parse(config)
    expect(warnings.map(({ severity, code, path, message, mend }) => [severity, code, path, message, mend])).toEqual(
      problems.map(problem => ['warning', ...problem]),
    )
  },
)

test('a route on a listener that cannot be read is judged by its layer', () => {
  const config = {
    listeners: { api: { kind: 'http' } },
    pools: { app },
    routes: [{ name: 'r', listener: 'api', pool: 'app', match: { sni: 'a.test' } }],
  }
  expect(problemsOf(config).map(({ code, path }) => `${code} ${path}`)).toEqual([
    'missing-field listeners.api.address',
    'wrong-layer routes[0].match.sni',
  ])
})

function problemsOf(input: unknown) {
  try {
    parse(input, { variables: {} })
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
  throw new Error('the config was taken')
}
