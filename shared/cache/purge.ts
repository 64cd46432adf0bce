// Purges as dated bans: what was stored before a ban that covers it counts as not there.

import type { StoredAnswer } from './stored.ts'

/** What to forget. A prefix is of the whole URL, with scheme and host. */
export type PurgeOf =
  | { readonly by: 'url'; readonly url: string }
  | { readonly by: 'prefix'; readonly prefix: string }
  | { readonly by: 'route'; readonly route: string }
  | { readonly by: 'tag'; readonly tag: string }

export interface Ban {
  readonly of: PurgeOf
  /** Milliseconds since 1970; what was received at or before it goes. */
  readonly at: number
}

/** Covered by any of the bans. */
export function isBanned(bans: readonly Ban[], stored: StoredAnswer, route: string): boolean {
  return bans.some(ban => stored.receivedAt <= ban.at && covers(ban.of, stored, route))
}

/**
 * The new ban replaces an older one of the same. When there are more than the bound, or they are too long together to stand
 * beside everything else, the oldest become one ban of everything: rather too much is forgotten than too little.
 */
export function addBan(bans: readonly Ban[], ban: Ban, most: number): readonly Ban[] {
  const is = JSON.stringify(ban.of)
  const all = [...bans.filter(({ of }) => JSON.stringify(of) !== is), ban]
  const lengths = all.map(({ of }) => JSON.stringify(of).length)
  let length = lengths.reduce((sum, one) => sum + one, 0)
  let over = all.length <= most ? 0 : all.length - most + 1
  for (const one of lengths.slice(0, over)) length -= one
  for (; length > longest && over < all.length - 1; over++) length -= lengths[over]!
  if (over === 0) return all
  const tooMany = all.slice(0, over)
  const at = Math.max(...tooMany.map(({ at }) => at))
  return [{ of: { by: 'prefix', prefix: '' }, at }, ...all.slice(tooMany.length)]
}

function covers(of: PurgeOf, stored: StoredAnswer, route: string): boolean {
  switch (of.by) {
    case 'url':
      return stored.url === of.url
    case 'prefix':
      return stored.url.startsWith(of.prefix)
    case 'route':
      return route === of.route
    case 'tag':
      return stored.tags.includes(of.tag)
  }
}

/** Characters of all that is to be forgotten. */
const longest = 200_000
