// Cookies in and out: only the ones that matter are read, and ours are written with one set of attributes.

import { parseCookie, stringifySetCookie } from 'cookie'
import type { CookieOut } from '../decide/decision.ts'

/**
 * Values by index of `names`, percent-decoded and without surrounding quotes; undefined when absent. The first of a name
 * wins (RFC 6265 section 5.4: browsers send the most specific path first). Copes with two lines that the runtime joined
 * by a comma (`a=1, b=2`). Reads the first 32 KiB. Never throws.
 */
export function pickCookies(header: string | null, names: readonly string[]): (string | undefined)[] {
  const picked = new Array<string | undefined>(names.length).fill(undefined)
  if (header === null || header === '' || names.length === 0) return picked
  let text = header
  if (text.length > longestHeader) {
    const cut = text.lastIndexOf(';', longestHeader)
    text = cut === -1 ? '' : text.slice(0, cut)
  }
  if (text.includes(', ')) text = text.replace(joint, '; ')
  const cookies = parseCookie(text, asWritten)
  for (let index = 0; index < names.length; index++) {
    const value = cookies[names[index]!]
    if (value !== undefined) picked[index] = decode(value)
  }
  return picked
}

/**
 * A `Set-Cookie` value: `HttpOnly; SameSite=Lax; Path=/; Max-Age`, and `Secure` when the scheme is https. The value is
 * percent-encoded; sign it first.
 */
export function serializeCookie(cookie: CookieOut, isSecure: boolean): string {
  return stringifySetCookie(
    {
      name: cookie.name,
      value: cookie.value,
      maxAge: Math.floor(cookie.maxAgeS),
      path: '/',
      httpOnly: true,
      secure: isSecure,
      sameSite: 'lax',
    },
    encoded,
  )
}

/**
 * `Cache-Control` for an answer that carries a cookie of ours, or undefined when it may stay as it is: a shared cache
 * that stored the answer would give everybody one user's variant (HAProxy's `cookie … nocache` does the same).
 */
export function privately(cacheControl: string | null): string | undefined {
  if (cacheControl === null || cacheControl.trim() === '') return 'private'
  const directives = cacheControl.split(',').map(directive => directive.trim())
  if (directives.some(directive => /^(no-store|private)$/i.test(directive))) return undefined
  return [...directives.filter(directive => !/^(public|s-maxage=.*)$/i.test(directive)), 'private'].join(', ')
}

function decode(value: string): string {
  const text = value.length > 1 && value.startsWith('"') && value.endsWith('"') ? value.slice(1, -1) : value
  if (!text.includes('%')) return text
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

const asWritten = { decode: (value: string): string => value }
/** Half a surrogate pair has no encoding; it becomes U+FFFD rather than an exception. */
const encoded = { encode: (value: string): string => encodeURIComponent(value.replace(/\p{Surrogate}/gu, '\ufffd')) }
/** A comma before another `name=`: a runtime joined two lines there. A plain comma may stand in a value. */
const joint = /, (?=[!#$%&'*+.^_`|~0-9A-Za-z-]+=)/g
const longestHeader = 32_768
