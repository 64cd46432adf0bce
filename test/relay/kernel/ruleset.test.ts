// What the kernel is to hold, as data and as a person reads it; and that the nft of this machine takes all of it.

import { execFileSync } from 'node:child_process'
import { describe, expect, test } from 'vitest'
import { readableText, wholeText } from '../../../relay/kernel/render.ts'
import { type Ruleset, ruleset } from '../../../relay/kernel/ruleset.ts'
import { markDown, markDraining } from '../../../shared/pool/health.ts'
import { maglevSize } from '../../../shared/pool/maglev.ts'
import { noon } from '../../shared/pool/make-pool.ts'
import { needsNamespaces } from '../../support/needs.ts'
import { everybodyAnswers, type Sketch, sketchTable } from './sketch.ts'

const splitting: Sketch['routes'] = [
  {
    name: 'route',
    listener: 'door',
    rules: [
      { match: { address: ['198.51.100.0/24', '2001:db8:9::/48'] }, pool: 'spare' },
      {
        variants: [
          { name: 'stable', weight: 3, pool: 'main' },
          { name: 'canary', weight: 1, pool: 'spare' },
        ],
      },
    ],
  },
]

/** Some CIDRs hold others. */
const someLetIn = {
  allow: ['198.51.100.0/24', '198.51.0.0/16', '2001:db8:1::/48', '2001:db8::/32'],
  deny: ['198.51.100.7', '198.51.100.0/28', '2001:db8:1::7'],
}

const shown: [name: string, sketch: Sketch][] = [
  ['nat', { mode: 'nat' }],
  ['nat-keep-udp', { mode: 'nat', kind: 'udp', listener: { source: 'keep', key: 'address' } }],
  ['dsr', { mode: 'dsr' }],
  ['dsr-udp-address', { mode: 'dsr', kind: 'udp', listener: { key: 'address' } }],
  ['dsr-ipv6', { mode: 'dsr', family: 6 }],
  ['dsr-split', { mode: 'dsr', routes: splitting, listener: someLetIn }],
]

test.each(shown)('%s reads as it should', async (name, sketch) => {
  await expect(readableText(make(sketch))).toMatchFileSnapshot(`./readable/${name}.nft`)
})

const all = (['nat', 'dsr'] as const).flatMap(mode =>
  (['tcp', 'udp'] as const).flatMap(kind =>
    ([4, 6] as const).flatMap(family =>
      (['flow', 'address'] as const).flatMap(key =>
        [splitting, undefined].map(routes => ({
          mode,
          kind,
          family,
          listener: { key, ...someLetIn },
          ...(routes === undefined ? {} : { routes }),
        })),
      ),
    ),
  ),
)

needsNamespaces()(
  'the nft of this machine takes every mode, protocol, family, key and access list, with and without a split',
  () => {
    for (const sketch of all) {
      const text = wholeText(make(sketch), new Map()).replaceAll('"eth0"', '"lo"')
      // Of elements one is enough, and a namespace of its own has nothing to check against.
      const short = text.replace(/(add element .* \{ [^,}]+)(?:, [^,}]+)+/g, '$1')
      const options = { input: short, stdio: ['pipe', 'ignore', 'pipe'] as ('pipe' | 'ignore')[] }
      expect(
        () => execFileSync('unshare', ['-n', 'nft', '-c', '-f', '-'], options),
        JSON.stringify(sketch),
      ).not.toThrow()
    }
  },
)

describe.each(['nat', 'dsr'] as const)('under %s', mode => {
  test('every slot has an endpoint, each endpoint its share', () => {
    const counts = slotCounts(make({ mode }))
    expect(Object.keys(counts)).toHaveLength(3)
    for (const count of Object.values(counts)) expect(count / maglevSize).toBeCloseTo(1 / 3, 2)
  })

  test('the seed is always said', () => {
    for (const { tables } of [make({ mode, routes: splitting })]) {
      const rules = tables.flatMap(({ chains }) => chains.flatMap(chain => chain.rules))
      const draws = rules.filter(rule => rule.includes('jhash'))
      expect(draws.length).toBeGreaterThan(1)
      for (const rule of draws) expect(rule).toMatch(/jhash .* seed \d+/)
    }
  })

  test('one that is down has no slots and is not live, one that drains has none and is', () => {
    const { table, observed } = sketchTable({ mode })
    const [pool] = table.pools
    markDown(observed, pool!, pool!.endpoints[0]!)
    markDraining(observed, pool!, pool!.endpoints[1]!)
    const made = ruleset(table, observed, noon, everybodyAnswers(table))
    expect(Object.keys(slotCounts(made))).toHaveLength(1)
    expect(made.live.get('door')!.map(({ name }) => name)).toEqual(['e2', 'e3'])
  })

  test('with nothing up every slot is empty, unless so few are up that all are used', () => {
    const { table, observed } = sketchTable({ mode, pool: { panicPercent: 0 } })
    const [pool] = table.pools
    for (const endpoint of pool!.endpoints) markDown(observed, pool!, endpoint)
    const ground = everybodyAnswers(table)
    expect(slotCounts(ruleset(table, observed, noon, ground))).toEqual({})
    const panicking = sketchTable({ mode })
    const [other] = panicking.table.pools
    for (const endpoint of other!.endpoints) markDown(panicking.observed, other!, endpoint)
    expect(Object.keys(slotCounts(ruleset(panicking.table, panicking.observed, noon, ground)))).toHaveLength(3)
  })

  test('one that a reload took out is live while it may go on, and has no slots', () => {
    const { table, observed } = sketchTable({ mode })
    const gone = { name: 'gone', ip: '192.0.2.9', port: 80, mark: 9 }
    const ground = everybodyAnswers(table)
    const neighbours = new Map([...ground.neighbours, ['192.0.2.9', '02:00:00:00:00:09']])
    const made = ruleset(table, observed, noon, { ...ground, neighbours, leaving: new Map([['door', [gone]]]) })
    expect(
      made.live
        .get('door')!
        .map(({ name }) => name)
        .sort(),
    ).toEqual(['e1', 'e2', 'e3', 'gone'])
    expect(Object.keys(slotCounts(made))).toHaveLength(3)
  })
})

test('under dsr one that does not answer for its address has no slots and no MAC', () => {
  const { table, observed } = sketchTable({ mode: 'dsr' })
  const ground = everybodyAnswers(table)
  const neighbours = new Map([...ground.neighbours].filter(([ip]) => ip !== '192.0.2.2'))
  const made = ruleset(table, observed, noon, { ...ground, neighbours })
  expect(Object.keys(slotCounts(made))).toHaveLength(2)
  expect(elementsOf(made, 'door.v4.tcp.macs').size).toBe(2)
})

test('what nft would read otherwise never gets into a name', () => {
  const { table, observed } = sketchTable({ mode: 'dsr' })
  const listener = table.flowListeners.get('door')!
  const names = ['a-b', 'a:b', '0day', 'map', 'a.b']
  const listeners = new Map(names.map(name => [name, { ...listener, name }]))
  const made = ruleset({ ...table, flowListeners: listeners }, observed, noon, everybodyAnswers(table))
  const used = made.tables.flatMap(({ sets }) => sets.map(({ name }) => name))
  expect(new Set(used).size).toBe(used.length)
  for (const name of used) expect(name).toMatch(/^[A-Za-z][A-Za-z0-9_.]*$/)
})

function make(sketch: Sketch): Ruleset {
  const { table, observed } = sketchTable(sketch)
  return ruleset(table, observed, noon, everybodyAnswers(table))
}

function elementsOf({ tables }: Ruleset, name: string): ReadonlyMap<string, string> {
  return tables.flatMap(({ sets }) => sets).find(set => set.name === name)!.elements!
}

/** Of the pool `main`. */
function slotCounts(made: Ruleset): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const value of elementsOf(made, 'door.v4.tcp.to.main').values()) counts[value] = (counts[value] ?? 0) + 1
  return counts
}
