// One part of a config against its zod schema: every issue becomes a problem, and what is left goes on, so that one
// wrong field does not keep the other fields of its part from being judged.

import type * as z from 'zod'
import type { Door } from './doors.ts'
import type { Findings, Place } from './findings.ts'
import { describeIssue, type Issue } from './structure-words.ts'

/** What a part is, for its messages. */
export interface Part<Schema extends z.ZodType = z.ZodType> {
  /** As `features` in doors.ts names it: `rule`, `match`, `split`, … */
  readonly name: string
  readonly schema: Schema
  /** The listener kind the part is for; a field that only another door knows is `wrong-layer` and not `unknown-key`. */
  readonly door: Door | undefined
  /** Keys that belong to the same object but are read elsewhere. */
  readonly otherKeys?: readonly string[]
  /** Keys of the object that the part stands in, where those are likely to be looked for here. */
  readonly keysAround?: readonly string[]
}

export interface Checked<Value> {
  /** What is left when the wrong fields are taken out; undefined when a required field is wrong or missing. */
  readonly value: Value | undefined
  /** The fields of the part in which something is wrong. */
  readonly broken: ReadonlySet<string>
}

/** Checks one part against its schema. Every issue becomes a problem under `place`. */
export function checkStructure<Schema extends z.ZodType>(
  part: Part<Schema>,
  input: unknown,
  place: Place,
  findings: Findings,
): Checked<z.output<Schema>> {
  const first = part.schema.safeParse(input)
  if (first.success) return { value: first.data, broken: NONE }
  const broken = new Set<string>()
  for (const issue of first.error.issues) {
    for (const { code, at, message, mend } of describeIssue(part, issue, input)) {
      if (typeof at[0] === 'string') broken.add(at[0])
      findings.error(code, [...place, ...at], message, mend)
    }
  }
  return { value: salvage(part.schema, input, first.error.issues), broken }
}

/** Takes out what is wrong, and when something is then missing, what that leaves wrong. No part is ten levels deep. */
function salvage<Schema extends z.ZodType>(
  schema: Schema,
  input: unknown,
  issues: readonly Issue[],
): z.output<Schema> | undefined {
  let kept = input
  let wrong = issues
  for (let round = 0; round < 10; round++) {
    for (const issue of wrong) {
      const places = issue.code === 'unrecognized_keys' ? issue.keys.map(key => [...issue.path, key]) : [issue.path]
      for (const place of places) kept = without(kept, place)
    }
    const again = schema.safeParse(kept)
    if (again.success) return again.data
    wrong = again.error.issues
  }
  return undefined
}

/** A copy without the field. What is missing in an object takes the object along; what is wrong in a list, the list. */
function without(value: unknown, path: readonly PropertyKey[]): unknown {
  if (path.length === 0 || typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  const object = value as Readonly<Record<PropertyKey, unknown>>
  const key = path[0]!
  if (!(key in object)) return undefined
  const rest = path.length === 1 ? undefined : without(object[key], path.slice(1))
  const copy: Record<PropertyKey, unknown> = Object.assign(Object.create(null), object)
  if (rest === undefined) delete copy[key]
  else copy[key] = rest
  return copy
}

const NONE: ReadonlySet<string> = new Set()
