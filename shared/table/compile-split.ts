// A split as the machine reads it: its slots dealt, its key and force as places in the facts.

import type { SplitConfig } from '../config/parsed.ts'
import { hash32 } from '../pool/hash.ts'
import type { NeedsBook } from './needs-book.ts'
import { dealFresh, packRanges } from './slots.ts'
import type { Split, SplitKey } from './table.ts'

export function compileSplit(
  split: SplitConfig,
  variants: readonly { readonly name: string; readonly weight: number }[],
  needs: NeedsBook,
): Split {
  if (split.by.from === 'address' || split.fallback === 'address') needs.address()
  const slots = dealFresh(variants.map(variant => variant.weight))
  const pinCookie = pinCookieName(split.name)
  const force = split.force
  return {
    name: split.name,
    seed: hash32(`${split.name}\0${split.salt}`),
    slots,
    ranges: packRanges(slots),
    by: compileSplitKey(split.by, needs),
    fallback: split.fallback,
    pin: split.pin === 'first' ? { cookie: pinCookie, index: needs.signedCookie(pinCookie) } : undefined,
    epoch: split.epoch,
    force:
      force === undefined
        ? undefined
        : {
            header: force.header === undefined ? undefined : { name: force.header, index: needs.header(force.header) },
            cookie: force.cookie === undefined ? undefined : { name: force.cookie, index: needs.cookie(force.cookie) },
            to: variants.findIndex(variant => variant.name === force.to),
          },
    isExposed: split.isExposed,
  }
}

function compileSplitKey(by: SplitConfig['by'], needs: NeedsBook): SplitKey {
  if (by.from === 'address' || by.from === 'draw') return by
  if (by.from === 'header') return { from: 'header', name: by.name, index: needs.header(by.name) }
  const index = by.isIssued ? needs.signedCookie(by.name) : needs.cookie(by.name)
  return { from: 'cookie', name: by.name, index, isIssued: by.isIssued }
}

/** A cookie name for a split's pin: what a cookie name may not hold becomes `_`, and a hash keeps such names apart. */
function pinCookieName(split: string): string {
  const plain = split.replace(/[^A-Za-z0-9_.-]/g, '_')
  return plain === split ? `fs_pin_${plain}` : `fs_pin_${plain}_${hash32(split).toString(36)}`
}
