// Which variant of a rule a user gets: forced, pinned, or by the slot that the user's key hashes to.

import { type Draw, subDraw } from '../pool/draw.ts'
import { hash32 } from '../pool/hash.ts'
import { ownerAt } from '../table/slots.ts'
import type { Split } from '../table/table.ts'
import { type Address, splitKeyOf } from '../wire/address.ts'
import type { CookieOut } from './decision.ts'

/** What a choice of variant looks at: the part that requests and flows have in common. */
export interface SplitFacts {
  readonly headers: readonly (string | undefined)[]
  readonly cookies: readonly (string | undefined)[]
  readonly signedCookies: readonly (string | undefined)[]
  readonly address: Address | undefined
}

export interface VariantChoice<Variant> {
  readonly variant: Variant
  readonly index: number
  readonly by: 'force header' | 'force cookie' | 'pin' | 'weight'
  /** -1 when no slot was asked. */
  readonly slot: number
  /** What stood for the user. */
  readonly key: SplitUser | undefined
  readonly cookies: readonly CookieOut[]
}

export interface SplitUser {
  readonly from: 'cookie' | 'header' | 'address' | 'new cookie' | 'draw'
  readonly value: string
}

/** The order is header, cookie, pin, weight. Force values that mean nothing are passed over, as ingress-nginx does. */
export function chooseVariant<Variant extends { readonly name: string; readonly weight: number }>(
  split: Split,
  variants: readonly Variant[],
  facts: SplitFacts,
  draw: Draw,
): VariantChoice<Variant> {
  const force = split.force
  if (force !== undefined) {
    const byHeader = force.header === undefined ? undefined : facts.headers[force.header.index]
    const byCookie = force.cookie === undefined ? undefined : facts.cookies[force.cookie.index]
    const headerSays = byHeader === undefined ? undefined : readForce(byHeader, force.to, variants)
    const cookieSays = byCookie === undefined ? undefined : readForce(byCookie, force.to, variants)
    const forced = headerSays ?? cookieSays
    if (forced !== undefined) {
      const index = forced === 'never' ? otherThan(force.to, split, variants, facts, draw) : forced
      const by = headerSays === undefined ? 'force cookie' : 'force header'
      return { variant: variants[index]!, index, by, slot: -1, key: undefined, cookies: NO_COOKIES }
    }
  }
  const pinned = split.pin === undefined ? undefined : readPin(facts.signedCookies[split.pin.index], split, variants)
  if (pinned !== undefined) {
    return { variant: variants[pinned]!, index: pinned, by: 'pin', slot: -1, key: undefined, cookies: NO_COOKIES }
  }
  const key = userOf(split, facts, draw)
  const slot = slotOf(split, key.value)
  const index = ownerAt(split.ranges, slot)
  const variant = variants[index]!
  return { variant, index, by: 'weight', slot, key, cookies: cookiesFor(split, key, variant.name) }
}

/** A user's slot: a stable hash of split name, salt and key. The same on every plane. */
export function slotOf(split: Split, key: string): number {
  return hash32(key, split.seed) & 0xffff
}

/** What a force value says: a variant's index, `never`, or undefined for a word that means nothing here. */
export function readForce(
  value: string,
  to: number,
  variants: readonly { readonly name: string }[],
): number | 'never' | undefined {
  if (value === 'always') return to
  if (value === 'never') return 'never'
  const named = variants.findIndex(variant => variant.name === value)
  return named === -1 ? undefined : named
}

/** The user's own variant unless that is the one refused; then the first other one that has weight. */
function otherThan<Variant extends { readonly name: string; readonly weight: number }>(
  refused: number,
  split: Split,
  variants: readonly Variant[],
  facts: SplitFacts,
  draw: Draw,
): number {
  const own = ownerAt(split.ranges, slotOf(split, userOf(split, facts, draw).value))
  if (own !== refused) return own
  const weighted = variants.findIndex((variant, i) => i !== refused && variant.weight > 0)
  return weighted !== -1 ? weighted : refused === 0 ? 1 : 0
}

/** `<epoch>.<variant>`; undefined for another epoch or a variant that is gone. */
function readPin(
  value: string | undefined,
  split: Split,
  variants: readonly { readonly name: string }[],
): number | undefined {
  if (value === undefined) return undefined
  const dot = value.indexOf('.')
  if (dot === -1 || value.slice(0, dot) !== String(split.epoch)) return undefined
  const named = variants.findIndex(variant => variant.name === value.slice(dot + 1))
  return named === -1 ? undefined : named
}

function userOf(split: Split, facts: SplitFacts, draw: Draw): SplitUser {
  const by = split.by
  if (by.from === 'cookie') {
    const value = by.isIssued ? facts.signedCookies[by.index] : facts.cookies[by.index]
    if (value !== undefined && value !== '' && value.length <= MAX_KEY_LENGTH) return { from: 'cookie', value }
  } else if (by.from === 'header') {
    const value = facts.headers[by.index]
    if (value !== undefined && value !== '') return { from: 'header', value }
  }
  const wantsAddress = by.from === 'address' || (by.from !== 'draw' && split.fallback === 'address')
  if (wantsAddress && facts.address !== undefined) return { from: 'address', value: addressKey(by, facts.address) }
  return { from: by.from === 'cookie' && by.isIssued ? 'new cookie' : 'draw', value: newIdentity(draw) }
}

/**
 * The address itself where it is the key. Where it stands in for a missing cookie, a hash of it: it becomes the cookie's
 * value, so that a client that does keep cookies keeps its slot. The hash hides the address from a glance only: it has no
 * key, and whoever reads the cookie can hash every IPv4 address (2^32) until one fits.
 */
function addressKey(by: Split['by'], address: Address): string {
  const key = splitKeyOf(address)
  return by.from === 'cookie' ? `a${hash32(key).toString(36)}${hash32(key, 1).toString(36)}` : key
}

/** 64 random bits from the draw, as 14 characters at most. */
function newIdentity(draw: Draw): string {
  const high = Math.floor(subDraw(draw, 'identity', 0) * 0x1_0000_0000)
  const low = Math.floor(subDraw(draw, 'identity', 1) * 0x1_0000_0000)
  return high.toString(36) + low.toString(36).padStart(7, '0')
}

function cookiesFor(split: Split, key: SplitUser, variant: string): readonly CookieOut[] {
  const by = split.by
  const isNew = by.from === 'cookie' && by.isIssued && key.from !== 'cookie'
  if (!isNew && split.pin === undefined) return NO_COOKIES
  const cookies: CookieOut[] = []
  if (isNew) cookies.push({ name: by.name, value: key.value, maxAgeS: COOKIE_MAX_AGE_S })
  if (split.pin !== undefined) {
    cookies.push({ name: split.pin.cookie, value: `${split.epoch}.${variant}`, maxAgeS: COOKIE_MAX_AGE_S })
  }
  return cookies
}

const NO_COOKIES: readonly CookieOut[] = []
/** 30 days. */
const COOKIE_MAX_AGE_S = 30 * 24 * 3600
/** Longer values are not ours and only cost hashing. */
const MAX_KEY_LENGTH = 256
