// How single values are written in a schema: texts, lists, whole numbers, lengths of time, sizes.

import * as z from 'zod'
import type { Duration, Size } from './config-values.ts'
import { bounds, defaults } from './defaults.ts'

export const text = (description: string) => z.string().meta({ description })

export const nonEmpty = (description: string) => z.string().min(1).meta({ description })

/** At least one: an empty list would match nothing, or everything, and nobody can tell which was meant. */
export const list = <Item extends z.ZodType>(item: Item) => z.array(item).min(1).readonly()

export const oneOrMore = <Item extends z.ZodType>(item: Item) => z.union([item, list(item)])

export const record = <Value extends z.ZodType>(value: Value) => z.record(z.string(), value).readonly()

export const whole = ([min, max]: readonly [number, number]) => z.number().int().min(min).max(max)

export const between = ([min, max]: readonly [number, number]) => z.number().min(min).max(max)

export const threads = z.union([z.literal('auto'), whole(bounds.threads)]).meta({
  default: defaults.threads,
  description: "The relay's: how many threads listen. auto: one for each core.",
})

/** A string whose form `parse` judges, with the pattern for editors. */
export const patterned = <Text extends string>(description: string, pattern: string) =>
  z.string().meta({ description, pattern }) as unknown as z.ZodType<Text, Text>

export const duration = (description: string) =>
  patterned<Duration>(description, '^[0-9]{1,12}(?:\\.[0-9]{1,3})?(?:ms|s|m|h|d)$')

export const size = (description: string) =>
  patterned<Size>(description, '^[0-9]{1,12}(?:\\.[0-9]{1,3})?(?:B|KiB|MiB|GiB)$')
