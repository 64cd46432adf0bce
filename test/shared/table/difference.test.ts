import { describe, expect, test } from 'vitest'
import type { ConfigInput } from '../../../shared/config/config.ts'
import { parse } from '../../../shared/config/parse.ts'
import type { Addresses } from '../../../shared/pool/pool.ts'
import { compile } from '../../../shared/table/compile.ts'
import { difference, isGone, isNothing, pathIn } from '../../../shared/table/difference.ts'
import type { Table } from '../../../shared/table/table.ts'

const base: ConfigInput = {
  listeners: { db: { kind: 'tcp', address: '127.0.0.1:5432' } },
  pools: {
    one: { endpoints: ['tcp://10.0.0.1:1', { address: 'tcp://10.0.0.2:1', name: 'b' }] },
    two: { endpoints: ['tcp://10.0.0.3:1'] },
  },
  routes: [
    {
      name: 'route',
      listener: 'db',
      variants: [
        { name: 'stable', weight: 90, pool: 'one' },
        { name: 'canary', weight: 10, pool: 'two' },
      ],
    },
  ],
}

function tableOf(change: Partial<ConfigInput> = {}, addresses?: Addresses): Table {
  return compile(parse({ ...base, ...change }).config, {}, undefined, addresses)
}

const before = tableOf()

describe('two tables', () => {
  test('of one config differ in nothing', () => {
    expect(isNothing(difference(before, tableOf()))).toBe(true)
  })

  test('differ in listeners that came, went, moved and changed', () => {
    const { listeners } = difference(
      tableOf({
        listeners: {
          db: { kind: 'tcp', address: '127.0.0.1:5432' },
          moves: { kind: 'tcp', address: '127.0.0.1:1' },
          goes: { kind: 'tcp', address: '127.0.0.1:2' },
        },
      }),
      tableOf({
        listeners: {
          db: { kind: 'tcp', address: '127.0.0.1:5432', maxConnections: 5 },
          moves: { kind: 'tcp', address: '127.0.0.1:9' },
          comes: { kind: 'tcp', address: '127.0.0.1:3' },
        },
      }),
    )
    expect(listeners).toEqual({ added: ['comes'], removed: ['goes'], moved: ['moves'], changed: ['db'] })
  })

  test('differ in rules, pools and endpoints by their names', () => {
    const after = tableOf({
      pools: {
        one: { endpoints: ['tcp://10.0.0.1:1', { address: 'tcp://10.0.0.9:1', name: 'b' }], balance: 'random' },
        two: { endpoints: ['tcp://10.0.0.3:1', 'tcp://10.0.0.4:1'] },
      },
      routes: [{ name: 'route', listener: 'db', match: { address: '10.0.0.0/8' }, pool: 'one' }],
    })
    const what = difference(before, after)
    expect(what.rules).toEqual({ added: [], removed: [], changed: ['route/0'] })
    expect(what.pools).toEqual({ added: [], removed: [], changed: ['one'] })
    expect(what.endpoints).toEqual({ added: ['two/tcp://10.0.0.4:1'], removed: [], changed: ['one/b'] })
  })

  test('do not differ by what names were resolved to', () => {
    const pools = { one: { endpoints: ['tcp://db.example.com:1'] }, two: { endpoints: ['tcp://10.0.0.3:1'] } } as const
    const with1 = tableOf({ pools }, new Map([['db.example.com', ['10.1.0.1']]]))
    const with2 = tableOf({ pools }, new Map([['db.example.com', ['10.1.0.2', '10.1.0.3']]]))
    expect(with2.pools[0]!.endpoints.map(({ id, of }) => [id, of])).toEqual([
      ['one/tcp://db.example.com:1@10.1.0.2', 'one/tcp://db.example.com:1'],
      ['one/tcp://db.example.com:1@10.1.0.3', 'one/tcp://db.example.com:1'],
    ])
    expect(isNothing(difference(with1, with2))).toBe(true)
  })
})

describe('a flow', () => {
  const { rule } = before.flowListeners.get('db')!.matches[0]!
  const [stable] = rule.variants
  const [endpoint, named] = stable!.pool.endpoints
  const flow = { listener: 'db', rule, variant: stable!, endpoint }

  test.each<[string, Partial<ConfigInput>, boolean]>([
    ['keeps going when nothing changes', {}, false],
    ['loses its listener', { listeners: { other: { kind: 'tcp', address: '127.0.0.1:5432' } }, routes: [] }, true],
    ['loses its route', { routes: [] }, true],
    ['loses its variant', { routes: [{ name: 'route', listener: 'db', pool: 'two' }] }, true],
    ['loses its endpoint', { pools: { ...base.pools, one: { endpoints: ['tcp://10.0.0.2:1'] } } }, true],
    [
      'keeps going when a match, a weight and a limit change',
      {
        listeners: { db: { kind: 'tcp', address: '127.0.0.1:5432', maxConnections: 1 } },
        routes: [
          {
            name: 'route',
            listener: 'db',
            match: { address: '10.0.0.0/8' },
            variants: [
              { name: 'stable', weight: 0, pool: 'one' },
              { name: 'canary', weight: 1, pool: 'two' },
            ],
          },
        ],
      },
      false,
    ],
  ])('%s', (_, change, gone) => {
    expect(isGone(flow, tableOf(change))).toBe(gone)
  })

  test('loses an endpoint whose name now means another address', () => {
    const moved = { ...base.pools, one: { endpoints: [{ address: 'tcp://10.0.0.9:1', name: 'b' }] } }
    expect(isGone({ ...flow, endpoint: named }, tableOf({ pools: moved }))).toBe(true)
  })
})

test('with the table before, pools and endpoints keep their numbers, and new ones take the lowest that are free', () => {
  const config = (pools: ConfigInput['pools']) => {
    const [name] = Object.keys(pools)
    return parse({ ...base, pools, routes: [{ name: 'route', listener: 'db', pool: name! }] }).config
  }
  const first = compile(
    config({ a: { endpoints: ['tcp://10.0.0.1:1', 'tcp://10.0.0.2:1'] }, b: { endpoints: ['tcp://10.0.0.3:1'] } }),
  )
  const second = compile(
    config({ c: { endpoints: ['tcp://10.0.0.4:1'] }, b: { endpoints: ['tcp://10.0.0.3:1'] } }),
    {},
    first,
  )
  expect(second.pools.map(({ name, index }) => [name, index])).toEqual([
    ['c', 2],
    ['b', 1],
  ])
  expect(second.pools.map(({ endpoints }) => endpoints[0]!.slot)).toEqual([3, 2])
  const slots = new Map([...second.slots].filter(([id]) => !id.startsWith('a/')))
  const third = compile(
    config({ d: { endpoints: ['tcp://10.0.0.5:1', 'tcp://10.0.0.6:1'] } }),
    {},
    { ...second, slots },
  )
  expect(third.pools[0]!.endpoints.map(({ slot }) => slot)).toEqual([0, 1])
})

describe('a session in another table', () => {
  const udp: ConfigInput = {
    listeners: { dns: { kind: 'udp', address: '127.0.0.1:53' } },
    pools: {
      one: {
        endpoints: [
          { address: 'udp://10.0.0.1:1', name: 'a' },
          { address: 'udp://b.test:1', name: 'b' },
        ],
      },
    },
    routes: [{ name: 'route', listener: 'dns', pool: 'one' }],
  }
  const table = (change: Partial<ConfigInput> = {}, addresses?: Addresses) =>
    compile(parse({ ...udp, ...change }).config, {}, undefined, addresses)
  const now = table({}, new Map([['b.test', ['192.0.2.1', '192.0.2.2']]]))
  const { rule } = now.flowListeners.get('dns')!.matches[0]!
  const [variant] = rule.variants
  const onto = (endpoint: number) => ({
    listener: 'dns',
    rule,
    variant: variant!,
    endpoint: variant!.pool.endpoints[endpoint],
  })

  test('is on the same endpoint as that table has it', () => {
    const after = table({ routes: [{ name: 'route', listener: 'dns', pool: 'one', timeouts: { idle: '1s' } }] })
    const path = pathIn(onto(0), after)!
    expect(path.rule.timeouts.idleMs).toBe(1_000)
    expect(path.endpoint).toBe(after.pools[0]!.endpoints[0])
  })

  test('has lost an endpoint whose name resolves to another address, or that has another one', () => {
    expect(pathIn(onto(2), table({}, new Map([['b.test', ['192.0.2.1']]])))!.endpoint).toBeUndefined()
    expect(pathIn(onto(1), table({}, new Map([['b.test', ['192.0.2.1']]])))!.endpoint).toBeDefined()
    const moved = table({ pools: { one: { endpoints: [{ address: 'udp://10.0.0.9:1', name: 'a' }] } } })
    expect(pathIn(onto(0), moved)!.endpoint).toBeUndefined()
  })

  test('has lost its way with its rule, its pool or its listener', () => {
    const { routes, pools } = udp
    expect(pathIn(onto(0), table({ routes: [{ ...routes[0]!, name: 'other' }] }))).toBeUndefined()
    const other = { pools: { two: pools['one']! }, routes: [{ name: 'route', listener: 'dns', pool: 'two' }] }
    expect(pathIn(onto(0), table(other))).toBeUndefined()
    const elsewhere = {
      listeners: { d: udp.listeners['dns']! },
      routes: [{ name: 'route', listener: 'd', pool: 'one' }],
    }
    expect(pathIn(onto(0), table(elsewhere))).toBeUndefined()
  })

  test('a listener moves with its key, and when it becomes one of TCP', () => {
    const keyed = table({ listeners: { dns: { kind: 'udp', address: '127.0.0.1:53', key: 'address' } } })
    expect(difference(now, keyed).listeners).toMatchObject({ moved: ['dns'], changed: [] })
    const tcp = compile(
      parse({
        listeners: { dns: { kind: 'tcp', address: '127.0.0.1:53' } },
        pools: { one: { endpoints: ['tcp://10.0.0.1:1'] } },
        routes: udp.routes,
      }).config,
    )
    expect(difference(now, tcp).listeners.moved).toEqual(['dns'])
  })
})
