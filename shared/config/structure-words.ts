// zod's issues in an operator's words: what is wrong, and what would be right.

import type * as z from 'zod'
import { type Door, doors, features, kinds as listenerKinds } from './doors.ts'
import { didYouMean, listNames, nameKind, type Place, show } from './findings.ts'
import { nearest } from './near.ts'
import type { Part } from './structure.ts'

export type Issue = z.core.$ZodIssue

export interface Description {
  readonly code: string
  /** Inside the part. */
  readonly at: Place
  readonly message: string
  readonly mend: string
}

/** One description, or one for each key that is not known. */
export function describeIssue(part: Part, issue: Issue, input: unknown): readonly Description[] {
  const at = issue.path.map(step => (typeof step === 'symbol' ? String(step) : step))
  const value = valueAt(input, at)
  if (value === undefined && at.length > 0) {
    const kind = issue.code === 'invalid_type' ? kinds[issue.expected] : undefined
    const mend = kind === undefined ? 'Add it.' : `Add it; it is ${kind}.`
    return [{ code: 'missing-field', at, message: `${show(String(at.at(-1)))} is missing`, mend }]
  }
  const form = issue.code === 'unrecognized_keys' ? undefined : describeForm(part, at, value)
  if (form !== undefined) return [form]
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map(key => describeKey(part, key, at))
    case 'invalid_union':
      return describeUnion(part, issue.errors, value, at, input)
    case 'invalid_value':
      return [describeChoice(value, issue.values, at)]
    case 'invalid_type':
      if (issue.expected === 'int') return [describeNumber(part, at, `${value} is not a whole number`)]
      return [withUnit(part, at, value) ?? wrongType(at, kindOf(issue.expected), value)]
    case 'too_small':
    case 'too_big':
      if (issue.origin === 'array') {
        return [
          { code: 'empty-list', at, message: 'the list is empty', mend: 'Name at least one, or leave the field out.' },
        ]
      }
      if (issue.origin === 'string') {
        return [{ code: 'empty-text', at, message: 'the text is empty', mend: 'Write at least one character.' }]
      }
      // Beside the word that it is of the wrong type.
      return typeof value === 'number' ? [describeNumber(part, at, `${value} is out of bounds`)] : []
    default:
      return [wrongType(at, 'another value', value)]
  }
}

/** What a feature needs that a door of this kind cannot do, and where it can be had. */
export function describeLayer(
  feature: string,
  door: Door,
  able: readonly Door[],
): Pick<Description, 'message' | 'mend'> {
  const open = able.filter(other => listenerKinds.includes(other)).map(other => `"${other}" (${doors[other].says})`)
  if (feature.startsWith('pool.probe.') && door === 'edge') {
    return { message: 'probes at the edge speak HTTP and nothing else', mend: 'Write kind "http", or leave it out.' }
  }
  if (door === 'kernel' && able.some(other => other === 'tcp' || other === 'udp')) {
    const message = `${feature} needs mode "proxy": with mode "nat" or "dsr" no program sees the bytes`
    return { message, mend: 'Say mode "proxy" on the listener, or leave it out.' }
  }
  const isSameLayer = able.some(other => doors[other].layer === doors[door].layer)
  return {
    message: isSameLayer
      ? `${feature} is for listeners of kind ${listNames(able)}, and not for "${door}"`
      : `${feature} needs layer ${doors[able[0]!].layer}, and "${door}" listeners are layer ${doors[door].layer}`,
    mend: open.length > 0 ? `Put it on a route of a listener of kind ${open.join(' or ')}.` : 'No listener can do it.',
  }
}

/** A key that nothing has here, or one that only another layer has. */
function describeKey(part: Part, key: string, inside: Place): Description {
  const at = [...inside, key]
  const feature = featureAt(part, at)
  const able = part.door === undefined ? undefined : doorsOf(feature)
  if (part.door !== undefined && able !== undefined && !able.includes(part.door)) {
    return { code: 'wrong-layer', at, ...describeLayer(feature, part.door, able) }
  }
  const keys = keysOf(part, inside)
  const near = nearKey(key, keys)
  const around = inside.length === 0 ? (part.keysAround ?? []) : keysOf(part, inside.slice(0, -1))
  const outer = near === undefined ? nearKey(key, around) : undefined
  const mend =
    outer === undefined
      ? didYouMean(near, `The keys are ${listNames(keys, 'and')}.`)
      : `Write ${show(outer)} beside ${show(inside.at(-1) ?? part.name)}, not in it.`
  return { code: 'unknown-key', at, message: `${show(key)} is not a key here`, mend }
}

/** Those of the head first: who looks for a key of a route finds it ahead of those of a rule. */
function keysOf(part: Part, inside: Place): string[] {
  return [...new Set([...(inside.length === 0 ? (part.otherKeys ?? []) : []), ...keysAt(part.schema, inside)])]
}

/** A slip of the pen, or the beginning of a name: `host` for `hostnames`. */
function nearKey(key: string, keys: readonly string[]): string | undefined {
  return (
    nearest(key, keys) ?? (key.length < 3 ? undefined : keys.find(known => known.startsWith(key.replace(/s$/, ''))))
  )
}

/** A form of a value that only another layer has: a flow is split `by` a word, a request by a cookie too. */
function describeForm(part: Part, at: Place, value: unknown): Description | undefined {
  if (part.door === undefined || typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  const feature = featureAt(part, at)
  const able = Object.keys(value).flatMap(key => features[`${feature}.${key}`] ?? [])
  if (able.length === 0 || able.includes(part.door)) return undefined
  return { code: 'wrong-layer', at, ...describeLayer(feature, part.door, able) }
}

function featureAt(part: Part, at: Place): string {
  const names = at.filter(step => typeof step === 'string')
  return [part.name, ...names].join('.').replace(/^rule\.split\./, 'split.')
}

/** The doors that know a feature, or a form of it (`split.by.cookie` for `split.by`). */
function doorsOf(feature: string): readonly Door[] | undefined {
  const name = Object.keys(features).find(known => known === feature || known.startsWith(`${feature}.`))
  return name === undefined ? undefined : features[name]
}

/** Alternatives that the kind of the value rules out say nothing; one that is left speaks for all. */
function describeUnion(
  part: Part,
  branches: Issue[][],
  value: unknown,
  at: Place,
  input: unknown,
): readonly Description[] {
  const possible = branches.filter(branch => !branch.some(isTypeMismatch))
  if (possible.length === 0) {
    const roots = branches.flat().filter(issue => issue.path.length === 0)
    const choices = roots.flatMap(issue => (issue.code === 'invalid_value' ? issue.values : []))
    if (typeof value === 'string' && choices.some(choice => typeof choice === 'string')) {
      return [describeChoice(value, choices, at)]
    }
    const wanted = roots.flatMap(issue => (issue.code === 'invalid_type' ? kindOf(issue.expected) : []))
    return [wrongType(at, [...new Set([...wanted, ...choices.map(show)])].join(' or '), value)]
  }
  const named = possible.filter(branch => !branch.some(issue => isMissing(issue, value)))
  const only = possible.length === 1 ? possible[0] : named.length === 1 ? named[0] : undefined
  if (only !== undefined) {
    return only.flatMap(issue => describeIssue(part, { ...issue, path: [...at, ...issue.path] }, input))
  }
  const keys = Object.keys(value as object)
  const slip = keys.find(key => !keysAt(part.schema, at).includes(key))
  if (slip !== undefined) return [describeKey(part, slip, at)]
  const needed = listNames(requiredKeysAt(part.schema, at), 'and')
  const found = keys.length === 0 ? 'none' : listNames(keys, 'and')
  return [{ code: 'exactly-one', at, message: `found ${found} of ${needed}`, mend: `Write exactly one of ${needed}.` }]
}

function describeChoice(value: unknown, choices: readonly unknown[], at: Place): Description {
  const near = typeof value === 'string' ? nearest(value, choices.map(String)) : undefined
  const all = choices.map(show)
  const mend = didYouMean(
    near,
    `Write ${[all.slice(0, -1).join(', '), all.at(-1)].filter(text => text !== '').join(' or ')}.`,
  )
  const code = at.at(-1) === 'status' ? 'bad-status' : 'unknown-value'
  return { code, at, message: `${show(value)} is not one of the values here`, mend }
}

function describeNumber(part: Part, at: Place, message: string): Description {
  const code = at.at(-1) === 'weight' ? 'bad-weight' : at.at(-1) === 'status' ? 'bad-status' : 'out-of-range'
  const schema = schemasAt(part.schema, at).find((each): each is z.ZodNumber => each._zod.def.type === 'number')
  const kind = schema?.format === 'safeint' ? 'a whole number' : 'a number'
  return {
    code,
    at,
    message,
    mend: `Write ${kind} from ${withCommas(schema?.minValue)} to ${withCommas(schema?.maxValue)}.`,
  }
}

/** A bare number where a length of time or a size is wanted: the same with a unit. */
function withUnit(part: Part, at: Place, value: unknown): Description | undefined {
  if (typeof value !== 'number') return undefined
  for (const schema of schemasAt(part.schema, at)) {
    const pattern = schema.meta()?.['pattern']
    const written = units.map(unit => `${value}${unit}`).find(text => isForm(pattern, text))
    if (written === undefined) continue
    return { ...wrongType(at, 'a text', value), mend: `Write it with its unit: ${show(written)}.` }
  }
  return undefined
}

function isForm(pattern: unknown, text: string): boolean {
  return typeof pattern === 'string' && new RegExp(pattern).test(text)
}

function wrongType(at: Place, wanted: string, value: unknown): Description {
  return {
    code: 'wrong-type',
    at,
    message: `expected ${wanted}, found ${nameKind(value)}`,
    mend: `Write ${wanted} here.`,
  }
}

function isTypeMismatch(issue: Issue): boolean {
  return issue.path.length === 0 && (issue.code === 'invalid_type' || issue.code === 'invalid_value')
}

function isMissing(issue: Issue, value: unknown): boolean {
  return issue.path.length === 1 && valueAt(value, [String(issue.path[0])]) === undefined
}

function kindOf(expected: string): string {
  return kinds[expected] ?? 'something else'
}

function withCommas(value: number | null | undefined): string {
  return String(value).replace(/\B(?=(?:\d{3})+$)/g, value !== undefined && Number.isInteger(value) ? ',' : '')
}

function keysAt(schema: z.ZodType, inside: Place): string[] {
  return [...new Set(objectsAt(schema, inside).flatMap(each => Object.keys(each.shape)))]
}

function requiredKeysAt(schema: z.ZodType, inside: Place): string[] {
  return objectsAt(schema, inside).flatMap(each =>
    Object.keys(each.shape).filter(key => each.shape[key]?._zod.optin === undefined),
  )
}

function objectsAt(schema: z.ZodType, inside: Place): z.ZodObject[] {
  return schemasAt(schema, inside).filter((each): each is z.ZodObject => each._zod.def.type === 'object')
}

/** The schemas that stand at a place: more than one where there are alternatives. */
function schemasAt(schema: z.ZodType, inside: Place): z.ZodType[] {
  return inside.reduce<z.ZodType[]>((found, step) => found.flatMap(each => unwrap(inner(each, step))), unwrap(schema))
}

function inner(schema: z.ZodType, step: string | number): z.ZodType | undefined {
  switch (schema._zod.def.type) {
    case 'object':
      return (schema as z.ZodObject).shape[step] as z.ZodType | undefined
    case 'array':
      return (schema as z.ZodArray<z.ZodType>).element
    case 'record':
      return (schema as z.ZodRecord<z.ZodString, z.ZodType>).valueType
    default:
      return undefined
  }
}

function unwrap(schema: z.ZodType | undefined): z.ZodType[] {
  if (schema === undefined) return []
  switch (schema._zod.def.type) {
    case 'optional':
    case 'readonly':
      return unwrap((schema as z.ZodOptional<z.ZodType>).unwrap())
    case 'union':
      return (schema as z.ZodUnion<z.ZodType[]>).options.flatMap(unwrap)
    default:
      return [schema]
  }
}

function valueAt(value: unknown, path: Place): unknown {
  return path.reduce<unknown>(
    (found, step) =>
      typeof found === 'object' && found !== null ? (found as Record<string, unknown>)[step] : undefined,
    value,
  )
}

/** Seconds, or bytes. */
const units = ['s', 'B']
const kinds: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
  record: 'an object',
}
