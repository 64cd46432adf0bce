// Lengths of time and sizes as an operator writes them, "30s" and "64KiB", and back for messages.
// What cannot be read is undefined; nothing throws.

import type { Duration, Size } from './config-values.ts'

/**
 * Milliseconds of `"250ms"`, `"1.5s"`, `"5m"`, `"1h"`, `"30d"`. Undefined for anything else: a missing unit, a sign, an
 * exponent, spaces, or a fraction that is no whole number of milliseconds.
 */
export function parseDuration(text: string): number | undefined {
  return parseQuantity(text, durationUnits)
}

/** Bytes of `"512B"`, `"64KiB"`, `"1.5MiB"`, `"1GiB"`; undefined for anything else. Units are powers of 1,024 (IEC 80000-13). */
export function parseSize(text: string): number | undefined {
  return parseQuantity(text, sizeUnits)
}

/** The shortest exact form, in the largest unit that divides it: 90,000 is `90s`, 3,600,000 is `1h`. */
export function formatDuration(ms: number): Duration {
  return formatQuantity(ms, durationUnits, 'ms') as Duration
}

/** The largest unit that divides it: 65,536 is `64KiB`, 1,000 is `1000B`. */
export function formatSize(bytes: number): Size {
  return formatQuantity(bytes, sizeUnits, 'B') as Size
}

function parseQuantity(text: string, units: ReadonlyMap<string, number>): number | undefined {
  const parts = /^(\d{1,12})(?:\.(\d{1,3}))?([A-Za-z]{1,3})$/.exec(text)
  if (parts === null) return undefined
  const unit = units.get(parts[3]!)
  if (unit === undefined) return undefined
  // In thousandths, so that it stays in whole numbers: 1.1 * 1000 is 1100.0000000000002.
  const thousandths = (Number(parts[1]) * 1_000 + Number((parts[2] ?? '').padEnd(3, '0'))) * unit
  return Number.isSafeInteger(thousandths) && thousandths % 1_000 === 0 ? thousandths / 1_000 : undefined
}

function formatQuantity(amount: number, units: ReadonlyMap<string, number>, smallest: string): string {
  if (amount === 0) return `0${smallest}`
  let best = `${amount}${smallest}`
  for (const [name, size] of units) {
    if (amount % size === 0) best = `${amount / size}${name}`
  }
  return best
}

/** Smallest first. */
const durationUnits: ReadonlyMap<string, number> = new Map([
  ['ms', 1],
  ['s', 1_000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
])

const sizeUnits: ReadonlyMap<string, number> = new Map([
  ['B', 1],
  ['KiB', 1_024],
  ['MiB', 1_024 ** 2],
  ['GiB', 1_024 ** 3],
])
