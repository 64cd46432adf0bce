// Variants of a rule, and the split that chooses among them.

import type * as z from 'zod'
import type { SplitInput } from './config-http.ts'
import { defaults } from './defaults.ts'
import type { Door } from './doors.ts'
import { didYouMean, type Findings, listNames, type Place, show } from './findings.ts'
import { nearest } from './near.ts'
import type { SplitConfig } from './parsed.ts'
import { checkCookieName, checkHeaderName, checkName } from './read-values.ts'
import { checkStructure } from './structure.ts'

/** The variants that can be read, each with its place, and the names of all that are written down. */
export interface ReadVariants<Variant> {
  readonly variants: readonly (readonly [Variant, Place])[]
  readonly names: readonly string[]
}

/** `undefined` when none are written. */
export function readVariants<Schema extends z.ZodType<{ name: string; weight: number }>>(
  raw: unknown,
  schema: Schema,
  place: Place,
  door: Door,
  findings: Findings,
): ReadVariants<z.output<Schema>> | undefined {
  if (raw === undefined) return undefined
  if (!Array.isArray(raw)) {
    findings.error('wrong-type', place, 'the variants of a rule are a list', 'Write a list of variants.')
    return { variants: [], names: [] }
  }
  if (raw.length === 0)
    findings.error('empty-list', place, 'the list is empty', 'Name at least one, or leave the field out.')
  const variants: (readonly [z.output<Schema>, Place])[] = []
  for (const [index, item] of raw.entries()) {
    const here = [...place, index]
    const { value } = checkStructure({ name: 'variant', schema, door }, item, here, findings)
    if (value !== undefined) variants.push([value, here])
  }
  const names = raw.map(item => (item as { name?: unknown } | null)?.name).filter(name => typeof name === 'string')
  checkVariantNames(raw, place, findings)
  if (raw.length > 0 && variants.length === raw.length && variants.every(([variant]) => variant.weight === 0)) {
    findings.error('zero-weights', place, 'every variant has weight 0', 'Give at least one of them a weight.')
  }
  return { variants, names }
}

function checkVariantNames(raw: readonly unknown[], place: Place, findings: Findings): void {
  const taken = new Set<string>()
  for (const [index, item] of raw.entries()) {
    const name = (item as { name?: unknown } | null)?.name
    if (typeof name !== 'string' || name === '') continue
    const here = [...place, index, 'name']
    checkName(name, here, 'variant', findings)
    if (name === 'always' || name === 'never') {
      const message = `the variant name ${show(name)} is a word that force headers and cookies use`
      findings.error('bad-name', here, message, 'Choose another name.')
    }
    if (taken.has(name)) {
      findings.error(
        'duplicate-name',
        here,
        `there is a variant ${show(name)} in this rule already`,
        'Give each its own name.',
      )
    }
    taken.add(name)
  }
}

/**
 * The split of a rule with variants; undefined for one variant and nothing said. `fallbackName` is the route's name, or
 * `route/rule` for a named rule.
 */
export function readHttpSplit(
  input: SplitInput | undefined,
  variants: ReadVariants<unknown>,
  fallbackName: string,
  place: Place,
  findings: Findings,
): SplitConfig | undefined {
  if (input === undefined && variants.names.length < 2) return undefined
  const { name, salt, by, fallback, pin, epoch, expose } = input ?? {}
  return {
    name: name ?? fallbackName,
    salt: salt ?? '',
    by: readKey(by, [...place, 'by'], findings),
    fallback: fallback ?? 'draw',
    pin: pin ?? 'weight',
    epoch: epoch ?? 0,
    force: readForce(input?.force, variants.names, [...place, 'force'], findings),
    isExposed: expose ?? false,
  }
}

/** Flows are split by client address, as there is nothing else to know them by, or each anew. */
export function readFlowSplit(
  input: (Pick<SplitInput, 'name' | 'salt'> & { by?: 'address' | 'draw' }) | undefined,
  variants: ReadVariants<unknown>,
  fallbackName: string,
): SplitConfig | undefined {
  if (input === undefined && variants.names.length < 2) return undefined
  return {
    name: input?.name ?? fallbackName,
    salt: input?.salt ?? '',
    by: { from: input?.by ?? 'address' },
    fallback: input?.by ?? 'address',
    pin: 'weight',
    epoch: 0,
    force: undefined,
    isExposed: false,
  }
}

function readKey(input: SplitInput['by'], place: Place, findings: Findings): SplitConfig['by'] {
  if (input === undefined) return { from: 'cookie', name: defaults.splitCookie, isIssued: true }
  if (input === 'address' || input === 'draw') return { from: input }
  if ('header' in input) {
    checkHeaderName(input.header, [...place, 'header'], findings)
    return { from: 'header', name: input.header.toLowerCase() }
  }
  checkCookieName(input.cookie, [...place, 'cookie'], findings)
  return { from: 'cookie', name: input.cookie, isIssued: input.issue ?? true }
}

function readForce(
  input: SplitInput['force'],
  names: readonly string[],
  place: Place,
  findings: Findings,
): SplitConfig['force'] {
  if (input === undefined) return undefined
  const { header, cookie, to } = input
  if (header === undefined && cookie === undefined) {
    const message = 'nothing says where the force comes from'
    findings.error('missing-field', place, message, 'Add "header" or "cookie", or both.')
  }
  if (header !== undefined) checkHeaderName(header, [...place, 'header'], findings)
  if (cookie !== undefined) checkCookieName(cookie, [...place, 'cookie'], findings)
  if (!names.includes(to)) {
    const mend = didYouMean(nearest(to, names), `The variants are ${listNames(names, 'and')}.`)
    findings.error('force-unknown-variant', [...place, 'to'], `there is no variant ${show(to)} in this rule`, mend)
  }
  return { header: header?.toLowerCase(), cookie, to }
}
