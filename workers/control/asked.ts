// What the operator API takes and gives, each shape once: requests are read by these schemas, and the OpenAPI document is
// made of them.

import * as z from 'zod/mini'
import type { Command } from '../../shared/overlay/command.ts'
import { overlayBounds } from '../../shared/overlay/overlay.ts'
import { purgeSchema } from '../../shared/overlay/parse.ts'

const name = (description: string) =>
  z.string().check(z.minLength(1), z.maxLength(overlayBounds.nameLength), z.describe(description))
const weight = z.int().check(z.minimum(0), z.maximum(1_000_000))
const endpoint = name('`pool/name`, as the config has it.')
const base = z.optional(
  z.string().check(z.maxLength(32), z.describe("Of an endpoint of a relay, which the edge's config does not have.")),
)

const commandSchema = z.discriminatedUnion('do', [
  z.strictObject({
    do: z.literal('weight'),
    split: name('The name of the split.'),
    weights: z.record(z.string().check(z.maxLength(overlayBounds.nameLength)), weight),
    release: z.optional(z.boolean().check(z.describe('Pinned users are released too.'))),
    declared: z.optional(
      z
        .strictObject({
          base: z.string().check(z.minLength(1), z.maxLength(32)),
          variants: z
            .array(z.strictObject({ name: name('Of a variant.'), weight }))
            .check(z.minLength(1), z.maxLength(overlayBounds.variants)),
        })
        .check(z.describe("As a relay's config has the split, which the edge's does not have.")),
    ),
  }),
  z.strictObject({ do: z.literal('drain'), endpoint, base }),
  z.strictObject({ do: z.literal('undrain'), endpoint }),
  z.strictObject({
    do: z.literal('eject'),
    endpoint,
    forMs: z.int().check(z.minimum(1_000), z.maximum(24 * 3_600_000), z.describe('Milliseconds, up to a day.')),
    base,
  }),
  z.strictObject({ do: z.literal('uneject'), endpoint }),
  z.strictObject({ do: z.literal('purge'), of: purgeSchema }),
]) satisfies z.ZodMiniType<Command>

const who = {
  author: z.string().check(z.minLength(1), z.maxLength(200), z.describe('Who changes it, for the history.')),
  reason: z._default(z.string().check(z.maxLength(1_000)), ''),
  ifVersion: z.optional(
    z.int().check(z.minimum(0), z.describe('Refused with 409 when another version holds by then.')),
  ),
}

export const changeSchema = z.strictObject({ command: commandSchema, ...who })

export const undoSchema = z.strictObject({
  version: z.optional(
    z
      .int()
      .check(z.minimum(1), z.describe("The change that made it; the newest of an operator's that stands if left out.")),
  ),
  ...who,
})

const whole = z.coerce.number().check(z.multipleOf(1), z.minimum(0))

export const historyQuery = z.strictObject({
  before: z._default(whole, Number.MAX_SAFE_INTEGER),
  most: z._default(z.coerce.number().check(z.multipleOf(1), z.minimum(1), z.maximum(200)), 20),
  automatic: z._default(z.enum(['yes', 'no']), 'no'),
})

/** Seconds. */
export const windowQuery = z.strictObject({
  window: z._default(z.coerce.number().check(z.multipleOf(1), z.minimum(10), z.maximum(3_600)), 60),
})

export const keySchema = z.optional(z.string().check(z.minLength(1), z.maxLength(200)))

const unused = z.array(z.strictObject({ kind: z.enum(['split', 'drain', 'ejection', 'verdict']), name: z.string() }))

export const answerSchema = z.strictObject({
  version: z.int().check(z.describe('What holds now.')),
  isChanged: z.boolean(),
  moved: z.optional(
    z
      .strictObject({ slots: z.int(), least: z.int() })
      .check(z.describe('Of 65,536 slots: how many went to another variant, and the least that any deal could move.')),
  ),
  undone: z.optional(z.int()),
  retired: unused.check(z.describe('Entries whose base a deploy has changed.')),
  ignored: unused.check(z.describe("Entries for what the edge's config does not have.")),
})

export const problemSchema = z.strictObject({
  problems: z.array(
    z.strictObject({
      severity: z.enum(['error', 'warning']),
      code: z.string(),
      path: z.string(),
      message: z.string(),
      mend: z.string(),
    }),
  ),
  version: z.optional(z.int()),
})
