import fc from 'fast-check'
import { expect, it } from 'vitest'
import { emptyOverlay, type Overlay } from '../../../shared/overlay/overlay.ts'
import { parseOverlay } from '../../../shared/overlay/parse.ts'
import { after } from './config.ts'

const whole: Overlay = after([
  { do: 'weight', split: 'shop', weights: { stable: 1, canary: 1 } },
  { do: 'drain', endpoint: 'stable/a' },
  { do: 'eject', endpoint: 'stable/b', forMs: 60_000 },
  { do: 'verdict', endpoint: 'canary/c', is: 'down' },
  { do: 'purge', of: { by: 'url', url: 'https://x.test/' } },
])

it('what is written is read again', () => {
  expect(parseOverlay(JSON.parse(JSON.stringify(whole)))).toEqual(whole)
  expect(parseOverlay(emptyOverlay)).toEqual(emptyOverlay)
})

const [split] = whole.splits
it.each<[unknown, string, string, string]>([
  [undefined, '', 'missing-field', 'Add it.'],
  [[], '', 'wrong-type', 'Write an object.'],
  [{ ...emptyOverlay, version: 'x' }, 'version', 'wrong-type', 'Write a number.'],
  [{ ...emptyOverlay, version: -1 }, 'version', 'out-of-range', 'Write 0 or more.'],
  [{ ...emptyOverlay, splts: [] }, '', 'unknown-key', 'Leave it out.'],
  [{ ...emptyOverlay, drains: [{ base: 'b', since: 1 }] }, 'drains[0].endpoint', 'missing-field', 'Add it.'],
  [
    { ...emptyOverlay, verdicts: [{ endpoint: 'a', base: 'b', is: 'dwn', at: 1 }] },
    'verdicts[0].is',
    'unknown-value',
    'Did you mean "down"?',
  ],
  [{ ...emptyOverlay, drains: [whole.drains[0], whole.drains[0]] }, 'drains[1]', 'duplicate-name', 'Keep one of them.'],
  [{ ...emptyOverlay, bans: [{ of: { by: 'moon' }, at: 1 }] }, 'bans[0].of.by', 'unknown-value', 'Name a known "by".'],
  [
    { ...emptyOverlay, splits: [{ ...split, weights: [1] }] },
    'splits[0].weights',
    'bad-slots',
    'Give each variant one weight.',
  ],
  [
    { ...emptyOverlay, splits: [{ ...split, weights: [0, 0] }] },
    'splits[0].weights',
    'bad-slots',
    'Give one variant a weight.',
  ],
  [
    { ...emptyOverlay, splits: [{ ...split, slots: { starts: [1], owners: [0] } }] },
    'splits[0].slots.starts',
    'bad-slots',
    'Let the first range start at 0.',
  ],
  [
    { ...emptyOverlay, splits: [{ ...split, slots: { starts: [0, 5, 5], owners: [0, 1, 0] } }] },
    'splits[0].slots.starts',
    'bad-slots',
    'Sort them by start, each start once.',
  ],
  [
    { ...emptyOverlay, splits: [{ ...split, slots: { starts: [0], owners: [2] } }] },
    'splits[0].slots.owners',
    'bad-slots',
    'Owners are 0 to 1, the places of the variants.',
  ],
])('%j: %s %s', (input, path, code, mend) => {
  const parsed = parseOverlay(input)
  expect('problems' in parsed && parsed.problems).toMatchObject([{ severity: 'error', path, code, mend }])
})

it('whatever comes in is an overlay or has problems, never a throw', () => {
  const bent = fc
    .tuple(fc.constantFrom(...Object.keys(whole)), fc.jsonValue())
    .map(([key, value]) => ({ ...whole, [key]: value }))
  fc.assert(
    fc.property(fc.oneof(fc.jsonValue(), fc.anything(), bent), input => {
      const parsed = parseOverlay(input)
      if (!('problems' in parsed)) expect(parseOverlay(parsed)).toEqual(parsed)
      else for (const { message, mend } of parsed.problems) expect(message.length * mend.length).toBeGreaterThan(0)
    }),
    { seed: 3, numRuns: 1_000 },
  )
})
