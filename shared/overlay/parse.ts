// unknown -> Overlay. What comes from a store or over the wire may be of another version of this program: every entry is
// judged, and what is wrong is said as for a config: where, what, and what would be right.

import * as z from 'zod/mini'
import type { Ban } from '../cache/purge.ts'
import type { Problem } from '../config/problem.ts'
import { SLOT_COUNT } from '../table/slots.ts'
import type { Overlay, SplitEntry } from './overlay.ts'
import { overlayBounds } from './overlay.ts'
import { problemsOf } from './words.ts'

/** The overlay, or every problem. Nothing of an overlay with problems is used: half of a change is another change. */
export function parseOverlay(input: unknown): Overlay | { readonly problems: readonly Problem[] } {
  const parsed = overlaySchema.safeParse(input)
  if (!parsed.success) return { problems: problemsOf(parsed.error.issues, input) }
  const overlay = parsed.data as Overlay
  const problems = [
    ...overlay.splits.flatMap((entry, i) => splitProblems(entry, `splits[${i}]`)),
    ...doubles('splits', overlay.splits, ({ split }) => split),
    ...doubles('drains', overlay.drains, ({ endpoint }) => endpoint),
    ...doubles('ejections', overlay.ejections, ({ endpoint }) => endpoint),
    ...doubles('verdicts', overlay.verdicts, ({ endpoint }) => endpoint),
  ]
  return problems.length === 0 ? overlay : { problems }
}

function splitProblems({ variants, weights, slots }: SplitEntry, path: string): readonly Problem[] {
  const problems: Problem[] = []
  const wrong = (at: string, message: string, mend: string) =>
    problems.push({ severity: 'error', code: 'bad-slots', path: `${path}.${at}`, message, mend })
  if (new Set(variants).size < variants.length) wrong('variants', 'a variant is named twice', 'Name each once.')
  if (weights.length !== variants.length) {
    const message = `there are ${weights.length} weights for ${variants.length} variants`
    wrong('weights', message, 'Give each variant one weight.')
  }
  if (weights.every(weight => weight === 0)) wrong('weights', 'every weight is 0', 'Give one variant a weight.')
  const { starts, owners } = slots
  if (starts.length !== owners.length) {
    wrong('slots', `there are ${starts.length} starts and ${owners.length} owners`, 'Give each range one owner.')
  }
  if (starts[0] !== 0) wrong('slots.starts', 'the ranges do not begin at slot 0', 'Let the first range start at 0.')
  if (starts.some((start, i) => i > 0 && start <= starts[i - 1]!)) {
    wrong('slots.starts', 'the ranges are not in order', 'Sort them by start, each start once.')
  }
  const foreign = owners.find(owner => owner >= variants.length)
  if (foreign !== undefined) {
    const mend = `Owners are 0 to ${variants.length - 1}, the places of the variants.`
    wrong('slots.owners', `${foreign} is the place of no variant`, mend)
  }
  return problems
}

function doubles<Entry>(name: string, entries: readonly Entry[], of: (entry: Entry) => string): readonly Problem[] {
  const seen = new Set<string>()
  return entries.flatMap((entry, i): Problem[] => {
    const key = of(entry)
    if (!seen.has(key)) {
      seen.add(key)
      return []
    }
    const path = `${name}[${i}]`
    const message = `there is an entry for ${JSON.stringify(key)} already`
    return [{ severity: 'error', code: 'duplicate-name', path, message, mend: 'Keep one of them.' }]
  })
}

const name = z.string().check(z.minLength(1), z.maxLength(overlayBounds.nameLength))
const hash = z.string().check(z.minLength(1), z.maxLength(32))
const moment = z.int().check(z.minimum(0))
const upTo = (most: number) => z.int().check(z.minimum(0), z.maximum(most))
const listOf = <Item extends z.ZodMiniType>(item: Item, most: number) => z.array(item).check(z.maxLength(most))

/** What a purge forgets; the same for the overlay and for commands. */
export const purgeSchema = z.discriminatedUnion('by', [
  z.strictObject({ by: z.literal('url'), url: z.string().check(z.minLength(1), z.maxLength(8_192)) }),
  z.strictObject({ by: z.literal('prefix'), prefix: z.string().check(z.maxLength(8_192)) }),
  z.strictObject({ by: z.literal('route'), route: name }),
  z.strictObject({ by: z.literal('tag'), tag: name }),
]) satisfies z.ZodMiniType<Ban['of']>

const overlaySchema = z.strictObject({
  version: upTo(Number.MAX_SAFE_INTEGER),
  splits: listOf(
    z.strictObject({
      split: name,
      base: hash,
      variants: z.array(name).check(z.minLength(1), z.maxLength(overlayBounds.variants)),
      weights: listOf(upTo(1_000_000), overlayBounds.variants),
      slots: z.strictObject({
        starts: z.array(upTo(SLOT_COUNT - 1)).check(z.minLength(1), z.maxLength(overlayBounds.ranges)),
        owners: z.array(upTo(overlayBounds.variants - 1)).check(z.minLength(1), z.maxLength(overlayBounds.ranges)),
      }),
      releases: upTo(1_000_000_000),
    }),
    overlayBounds.splits,
  ),
  drains: listOf(z.strictObject({ endpoint: name, base: hash, since: moment }), overlayBounds.endpoints),
  ejections: listOf(
    z.strictObject({ endpoint: name, base: hash, until: moment, by: z.enum(['operator', 'traffic']) }),
    overlayBounds.endpoints,
  ),
  verdicts: listOf(
    z.strictObject({ endpoint: name, base: hash, is: z.enum(['up', 'down']), at: moment }),
    overlayBounds.endpoints,
  ),
  bans: listOf(z.strictObject({ of: purgeSchema, at: moment }), overlayBounds.bans),
}) satisfies z.ZodMiniType<Overlay>
