// One manifest against the shape of its kind: fields that are not known are noted and left out, what is of the wrong kind
// or missing is an error with file and line.

import type * as z from 'zod'
import { show } from '../config/findings.ts'
import { nearest } from '../config/near.ts'
import { describeIssue, type Issue } from '../config/structure-words.ts'
import type { Manifest } from './manifests.ts'
import { type Notes, within } from './notes.ts'

/** What the schema makes of the object; undefined when something in it is wrong, which is said. */
export function readShape<Schema extends z.ZodType>(
  manifest: Manifest,
  schema: Schema,
  notes: Notes,
): z.output<Schema> | undefined {
  const first = schema.safeParse(manifest.raw)
  if (first.success) return first.data
  let kept: unknown = manifest.raw
  for (const issue of first.error.issues) {
    if (issue.code !== 'unrecognized_keys') tell(manifest, schema, issue, notes)
    else {
      for (const key of issue.keys) {
        const place = [...issue.path.map(String), key]
        noteUnknown(manifest, issue, key, schema, notes)
        kept = without(kept, place)
      }
    }
  }
  const again = schema.safeParse(kept)
  return again.success ? again.data : undefined
}

function noteUnknown(
  manifest: Manifest,
  issue: Issue & { code: 'unrecognized_keys' },
  key: string,
  schema: z.ZodType,
  notes: Notes,
): void {
  const place = issue.path.map(step => (typeof step === 'symbol' ? String(step) : step))
  const near = nearest(key, keysAt(schema, place))
  const mend =
    near === undefined ? 'Leave it out, or configure by hand what it stands for.' : `Did you mean ${show(near)}?`
  const spot = within(manifest.spot, ...place, key)
  notes.add('not-carried', 'unknown-field', spot, `no field ${show(key)} is known here`, mend)
}

function tell(manifest: Manifest, schema: z.ZodType, issue: Issue, notes: Notes): void {
  const part = { name: manifest.kind, schema, door: undefined }
  for (const { code, at, message, mend } of describeIssue(part, issue, manifest.raw)) {
    notes.add('error', code, within(manifest.spot, ...at), message, mend)
  }
}

/** The keys that a schema knows at a place, as far as it is made of plain objects and lists. */
function keysAt(schema: z.ZodType, place: readonly (string | number)[]): readonly string[] {
  let at: unknown = schema
  for (const step of [...place, undefined]) {
    while (hasInner(at)) at = at._zod.def.innerType
    const def = (at as Inner | undefined)?._zod?.def
    if (step === undefined) return def?.shape === undefined ? [] : Object.keys(def.shape)
    at = typeof step === 'number' ? def?.element : def?.shape?.[step]
  }
  return []
}

interface Inner {
  readonly _zod: { readonly def: { innerType?: unknown; shape?: Record<string, unknown>; element?: unknown } }
}
function hasInner(schema: unknown): schema is Inner {
  return (schema as Inner | undefined)?._zod?.def?.innerType !== undefined
}

function without(value: unknown, place: readonly string[]): unknown {
  if (typeof value !== 'object' || value === null) return value
  const [key, ...rest] = place
  if (Array.isArray(value)) return value.map((item, index) => (String(index) === key ? without(item, rest) : item))
  const copy: Record<string, unknown> = Object.assign(Object.create(null), value)
  if (rest.length === 0) delete copy[key!]
  else copy[key!] = without(copy[key!], rest)
  return copy
}
