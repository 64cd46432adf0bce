import { describe, expect, it } from 'vitest'
import type { ConfigInput } from '../../../shared/config/config.ts'
import type { SplitInput } from '../../../shared/config/config-http.ts'
import { decideHttp } from '../../../shared/decide/http.ts'
import { chooseVariant, slotOf } from '../../../shared/decide/variant.ts'
import { ownedCounts, SLOT_COUNT } from '../../../shared/table/slots.ts'
import type { Split, Table } from '../../../shared/table/table.ts'
import { parseAddress } from '../../../shared/wire/address.ts'
import { requestFacts } from '../../support/facts.ts'
import { observedFor, tableOf } from '../../support/table.ts'

function splitTable(weights: Readonly<Record<string, number>>, split: SplitInput = {}): Table {
  const variants = Object.entries(weights).map(([name, weight]) => ({ name, weight, pool: 'app' }))
  const config: ConfigInput = {
    listeners: { web: { kind: 'edge' } },
    pools: { app: { endpoints: ['https://app.test'] } },
    routes: [{ name: 'app', variants, split }],
  }
  return tableOf(config)
}

function decide(table: Table, headers: Record<string, string> = {}, draw = 1, from?: string) {
  const facts = requestFacts(table, { ask: 'GET http://app.test/', with: headers, from })
  const decision = decideHttp(table, facts, observedFor(table), draw)
  if (decision.do !== 'forward') throw new Error(`expected forward, got ${decision.do}`)
  return { variant: decision.variant.name, cookies: decision.cookies }
}

/** Users as they are after their first request: each with the cookie that it was given. */
function jars(count: number): string[] {
  const table = splitTable({ stable: 1, canary: 0 })
  return Array.from({ length: count }, (_, i) => {
    const { cookies } = decide(table, {}, i * 104_729_000_003)
    return `fs_id=${cookies[0]!.value}`
  })
}

describe('a split', () => {
  it('gives every new user an id of its own', () => {
    expect(new Set(jars(20_000)).size).toBe(20_000)
  })

  it('serves the variant with the first answer that the cookie will give with every later one', () => {
    const table = splitTable({ stable: 60, canary: 40 })
    for (let draw = 1; draw < 500; draw++) {
      const first = decide(table, {}, draw * 7919)
      const again = decide(table, { cookie: `fs_id=${first.cookies[0]!.value}` }, draw)
      expect(again.variant).toBe(first.variant)
      expect(again.cookies).toEqual([])
    }
  })

  it('gives shares within five sigma of the weights', () => {
    const users = jars(20_000)
    const table = splitTable({ a: 70, b: 25, c: 5 })
    const counts: Record<string, number> = { a: 0, b: 0, c: 0 }
    for (const cookie of users) counts[decide(table, { cookie }).variant]! += 1
    for (const [name, share] of [
      ['a', 0.7],
      ['b', 0.25],
      ['c', 0.05],
    ] as const) {
      const sigma = Math.sqrt(users.length * share * (1 - share))
      expect(Math.abs(counts[name]! - users.length * share)).toBeLessThan(5 * sigma)
    }
  })

  it('moves users into the canary only, as it grows, and out of it only, as it shrinks', () => {
    const users = jars(5_000)
    const steps = [5, 25, 100, 25, 0]
    let before = users.map(cookie => decide(splitTable({ stable: 100, canary: 0 }), { cookie }).variant)
    let share = 0
    for (const percent of steps) {
      const table = splitTable({ stable: 100 - percent, canary: percent })
      const after = users.map(cookie => decide(table, { cookie }).variant)
      const wrongWay = after.filter((variant, i) =>
        percent > share
          ? before[i] === 'canary' && variant !== 'canary'
          : before[i] === 'stable' && variant !== 'stable',
      )
      expect(wrongWay).toEqual([])
      before = after
      share = percent
    }
    expect(before.every(variant => variant === 'stable')).toBe(true)
  })

  it('is the same for two rules with the same split name and salt, and another one with another salt', () => {
    const users = jars(2_000)
    const of = (split: SplitInput) => {
      const table = splitTable({ a: 1, b: 1 }, split)
      return users.map(cookie => decide(table, { cookie }).variant)
    }
    expect(of({ name: 'x' })).toEqual(of({ name: 'x' }))
    const salted = of({ name: 'x', salt: 'y' })
    const same = of({ name: 'x' }).filter((variant, i) => variant === salted[i]).length
    expect(Math.abs(same - 1_000)).toBeLessThan(5 * Math.sqrt(500))
  })

  it('asks the slot of the key alone: two splits lean on each other no more than chance', () => {
    const [one, two] = [
      splitOf(splitTable({ a: 1, b: 1 }, { name: 'one' })),
      splitOf(splitTable({ a: 1, b: 1 }, { name: 'two' })),
    ]
    const agreeing = Array.from({ length: 10_000 }, (_, i) => `user-${i}`).filter(
      key => slotOf(one, key) < SLOT_COUNT / 2 === slotOf(two, key) < SLOT_COUNT / 2,
    )
    expect(Math.abs(agreeing.length - 5_000)).toBeLessThan(5 * Math.sqrt(2_500))
  })
})

describe('a user without the cookie', () => {
  it('is keyed by address with that fallback, and keeps the slot once the cookie comes back', () => {
    const table = splitTable({ a: 1, b: 1 }, { fallback: 'address' })
    for (let i = 0; i < 200; i++) {
      const first = decide(table, {}, i, `192.0.2.${i}`)
      expect(decide(table, {}, i + 1000, `192.0.2.${i}`).variant).toBe(first.variant)
      expect(decide(table, { cookie: `fs_id=${first.cookies[0]!.value}` }, 5, '203.0.113.1').variant).toBe(
        first.variant,
      )
      expect(first.cookies[0]!.value).not.toContain('192.0')
    }
  })

  it('is drawn anew by default', () => {
    const table = splitTable({ a: 1, b: 1 })
    const seen = new Set(Array.from({ length: 50 }, (_, i) => decide(table, {}, i * 7919, '192.0.2.1').variant))
    expect([...seen].sort()).toEqual(['a', 'b'])
  })

  it('with IPv6 is one user per /64', () => {
    const split = splitOf(splitTable({ a: 1, b: 1 }, { by: 'address' }))
    const at = (address: string) =>
      chooseVariant(
        split,
        [
          { name: 'a', weight: 1 },
          { name: 'b', weight: 1 },
        ],
        { headers: [], cookies: [], signedCookies: [], address: parseAddress(address) },
        1,
      ).slot
    expect(at('2001:db8:1:2::1')).toBe(at('2001:db8:1:2:ffff::9'))
    expect(at('2001:db8:1:2::1')).not.toBe(at('2001:db8:1:3::1'))
  })
})

describe('a pin', () => {
  it('keeps users in their first variant through any change of weights, until the epoch changes', () => {
    const before = splitTable({ a: 50, b: 50 }, { pin: 'first', epoch: 1 })
    const after = splitTable({ a: 100, b: 0 }, { pin: 'first', epoch: 1 })
    const released = splitTable({ a: 100, b: 0 }, { pin: 'first', epoch: 2 })
    for (let draw = 0; draw < 300; draw++) {
      const first = decide(before, {}, draw * 6151)
      const cookie = first.cookies.map(({ name, value }) => `${name}=${value}`).join('; ')
      expect(decide(after, { cookie }).variant).toBe(first.variant)
      expect(decide(released, { cookie }).variant).toBe('a')
    }
  })
})

describe('a force', () => {
  it('to stay out gives the user the variant it would have among the others', () => {
    const table = splitTable({ a: 1, b: 1, c: 1 }, { force: { header: 'x-canary', to: 'b' } })
    for (const cookie of jars(300)) {
      const own = decide(table, { cookie }).variant
      const out = decide(table, { cookie, 'x-canary': 'never' }).variant
      expect(out).toBe(own === 'b' ? 'a' : own)
    }
  })
})

it('a weight of 1 in 65,536 owns one slot', () => {
  const split = splitOf(splitTable({ stable: 65_535, canary: 1 }))
  expect(ownedCounts(split.slots, 2)).toEqual([65_535, 1])
})

function splitOf(table: Table): Split {
  const action = table.httpDoors.get('edge')!.listeners[0]!.index.hosts[0]!.matches[0]!.rule.action
  if (action.do !== 'forward' || action.split === undefined) throw new Error('expected a split')
  return action.split
}
