import fc from 'fast-check'
import { expect, it } from 'vitest'
import { type Command, change, type Report, undo } from '../../../shared/overlay/command.ts'
import { emptyOverlay, type Overlay } from '../../../shared/overlay/overlay.ts'
import { parseOverlay } from '../../../shared/overlay/parse.ts'
import { after, changed, table } from './config.ts'

const endpoint = fc.constantFrom('stable/a', 'stable/b', 'canary/c', 'database/main')
const commands: fc.Arbitrary<Command | Report> = fc.oneof(
  fc
    .tuple(fc.nat(100), fc.integer({ min: 1, max: 100 }), fc.boolean())
    .map(
      ([stable, canary, release]) => ({ do: 'weight', split: 'shop', weights: { stable, canary }, release }) as const,
    ),
  fc.record({ do: fc.constantFrom('drain' as const, 'undrain' as const, 'uneject' as const), endpoint }),
  fc.record({ do: fc.constant('eject' as const), endpoint, forMs: fc.integer({ min: 1, max: 100_000 }) }),
  fc.record({ do: fc.constant('eject by traffic' as const), endpoint, forMs: fc.integer({ min: 1, max: 100_000 }) }),
  fc.record({ do: fc.constant('verdict' as const), endpoint, is: fc.constantFrom('up' as const, 'down' as const) }),
  fc.string().map(tag => ({ do: 'purge', of: { by: 'tag', tag: `t${tag}` } }) as const),
)

it('any history of commands is an overlay that can be read again, one version on for each that changed something', () => {
  fc.assert(
    fc.property(fc.array(commands, { maxLength: 30 }), history => {
      let overlay: Overlay = emptyOverlay
      for (const [i, command] of history.entries()) {
        const { overlay: next, touched } = changed(overlay, command, (i + 1) * 1_000)
        expect(next.version).toBe(overlay.version + (touched.length === 0 ? 0 : 1))
        if (touched.length === 0) expect(next).toBe(overlay)
        overlay = next
      }
      expect(parseOverlay(JSON.parse(JSON.stringify(overlay)))).toEqual(overlay)
    }),
    { seed: 17, numRuns: 200 },
  )
})

it('an undo puts back what the change touched and keeps what came after', () => {
  fc.assert(
    fc.property(
      fc.array(commands, { maxLength: 10 }),
      commands,
      fc.array(commands, { maxLength: 5 }),
      (one, which, more) => {
        const before = after(one)
        const { overlay, touched } = changed(before, which, 50_000)
        const list = (of: Overlay) => [of.splits, of.drains, of.verdicts]
        const own = 'endpoint' in which ? which.endpoint : 'split' in which ? which.split : ''
        const later = after(
          more.filter(each => !('endpoint' in each && each.endpoint === own) && each.do !== 'weight'),
          table,
          overlay,
        )
        const back = undo(later, touched, 60_000)
        if (which.do === 'purge') expect(back).toMatchObject({ code: 'not-undoable' })
        else {
          if ('code' in back) throw new Error(back.message)
          const expected = touched.length === 0 ? later : back.overlay
          expect(back.overlay.version).toBe(later.version + 1)
          if (more.length === 0) {
            const sorted = (of: Overlay) => list(of).map(entries => entries.map(each => JSON.stringify(each)).sort())
            expect(sorted(back.overlay)).toEqual(sorted(before))
          }
          expect(parseOverlay(expected)).toEqual(expected)
        }
      },
    ),
    { seed: 21, numRuns: 200 },
  )
})

it('an undo of what was changed again since is refused', () => {
  const first = changed(emptyOverlay, { do: 'weight', split: 'shop', weights: { stable: 1, canary: 1 } })
  const then = changed(first.overlay, { do: 'weight', split: 'shop', weights: { stable: 9, canary: 1 } })
  expect(undo(then.overlay, first.touched, 5)).toMatchObject({
    code: 'changed-since',
    message: 'shop was changed again since',
  })
})

it('what traffic says does not shorten what an operator said', () => {
  const overlay = after([
    { do: 'eject', endpoint: 'stable/a', forMs: 3_600_000 },
    { do: 'eject by traffic', endpoint: 'stable/a', forMs: 30_000 },
  ])
  expect(overlay.version).toBe(1)
  expect(overlay.ejections).toMatchObject([{ until: 3_601_000, by: 'operator' }])
})

it('a split and an endpoint of a relay are changed by what their config declares', () => {
  const declared = {
    base: 'b',
    variants: [
      { name: 'one', weight: 1 },
      { name: 'two', weight: 1 },
    ],
  }
  const overlay = after([
    { do: 'weight', split: 'elsewhere', weights: { one: 3, two: 1 }, declared },
    { do: 'drain', endpoint: 'far/away', base: 'c' },
  ])
  expect(overlay.splits[0]).toMatchObject({ base: 'b', weights: [3, 1] })
  expect(overlay.drains).toEqual([{ endpoint: 'far/away', base: 'c', since: 2_000 }])
})

it('what a relay declares otherwise than this config has it is refused: there is one entry for a name', () => {
  const declared = { base: 'b', variants: [{ name: 'stable', weight: 1 }] }
  expect(
    change(table, emptyOverlay, { do: 'weight', split: 'shop', weights: { stable: 1 }, declared }, 1),
  ).toMatchObject({
    code: 'another-base',
    message: 'the edge\'s config has split "shop" with other variants or weights',
  })
  expect(change(table, emptyOverlay, { do: 'drain', endpoint: 'stable/a', base: 'c' }, 1)).toMatchObject({
    code: 'another-base',
    message: 'the edge\'s config has endpoint "stable/a" with another address',
  })
  const { base } = after([{ do: 'drain', endpoint: 'stable/a' }]).drains[0]!
  expect(after([{ do: 'drain', endpoint: 'stable/a', base }]).drains).toHaveLength(1)
})

it.each<[Command, string, string]>([
  [{ do: 'weight', split: 'shp', weights: {} }, 'unknown-split', 'Did you mean "shop"?'],
  [
    { do: 'weight', split: 'shop', weights: { stable: 1 } },
    'missing-field',
    'Name all. The variants are "stable" and "canary".',
  ],
  [{ do: 'weight', split: 'shop', weights: { stable: 1, canry: 1 } }, 'unknown-variant', 'Did you mean "canary"?'],
  [
    { do: 'weight', split: 'shop', weights: { stable: -1, canary: 1 } },
    'bad-weight',
    'Write a whole number from 0 to 1,000,000.',
  ],
  [
    { do: 'weight', split: 'shop', weights: { stable: 0, canary: 0 } },
    'zero-weights',
    'Give at least one of them a weight.',
  ],
  [{ do: 'drain', endpoint: 'stable/aa' }, 'unknown-endpoint', 'Did you mean "stable/a"?'],
  [
    { do: 'undrain', endpoint: 'x' },
    'unknown-endpoint',
    'There is "stable/a", "stable/b", "canary/c", "database/main" or "replica/copy".',
  ],
])('%j is refused: %s', (command, code, mend) => {
  expect(change(table, emptyOverlay, command, 1)).toMatchObject({ severity: 'error', code, mend })
})

it('ejections that are over go with the next change', () => {
  const overlay = after([
    { do: 'eject', endpoint: 'stable/a', forMs: 500 },
    { do: 'drain', endpoint: 'canary/c' },
  ])
  expect(overlay.ejections).toEqual([])
})

it('a release after one that was undone is another one: pins of the first are released too', () => {
  const release = { do: 'weight', split: 'shop', weights: { stable: 1, canary: 1 }, release: true } as const
  const first = changed(emptyOverlay, release)
  const undone = undo(first.overlay, first.touched, 2) as typeof first
  expect(undone.overlay.splits).toEqual([])
  const second = changed(undone.overlay, { ...release, weights: { stable: 1, canary: 0 } })
  expect(second.overlay.splits[0]!.releases).toBeGreaterThan(first.overlay.splits[0]!.releases)
})

it('purges of long URLs leave room for everything else, and none is forgotten', () => {
  const url = (i: number) => `https://x.test/${i}/${'x'.repeat(8_000)}`
  const purges = Array.from({ length: 190 }, (_, i) => ({ do: 'purge', of: { by: 'url', url: url(i) } }) as const)
  const { bans } = after(purges)
  expect(JSON.stringify(bans).length).toBeLessThan(250_000)
  expect(bans.at(-1)).toEqual({ of: { by: 'url', url: url(189) }, at: 190_000 })
  // All but these are forgotten with everything.
  expect(bans[0]).toEqual({ of: { by: 'prefix', prefix: '' }, at: (190 - bans.length + 1) * 1_000 })
})
