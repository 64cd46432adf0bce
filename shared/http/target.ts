// What a request asks for: the parts of its URL, and whether they are what an honest client sends.

import { parseAddress } from '../wire/address.ts'

export interface UrlParts {
  readonly scheme: 'http' | 'https'
  readonly authority: string
  /** Starts with a slash. */
  readonly path: string
  /** With its `?`, or empty. */
  readonly search: string
}

/** `URL` would do the same with ten strings more, and would hide what was malformed. */
export function splitUrl(url: string): UrlParts {
  const scheme = url.startsWith('https:') ? 'https' : 'http'
  const start = scheme.length + 3
  const slash = url.indexOf('/', start)
  const question = url.indexOf('?', start)
  const hasPath = slash !== -1 && (question === -1 || slash < question)
  const pathEnd = question === -1 ? url.length : question
  return {
    scheme,
    authority: url.slice(start, hasPath ? slash : pathEnd),
    path: hasPath ? url.slice(slash, pathEnd) : '/',
    search: question === -1 ? '' : url.slice(question),
  }
}

/** Lower case, without trailing dot; IPv6 in brackets; port 0 when none is named. Undefined for what is no host. */
export function readHost(authority: string): { readonly name: string; readonly port: number } | undefined {
  const parts = HOST.exec(authority)
  if (parts === null) return undefined
  const port = parts[3] === undefined ? 0 : Number(parts[3])
  if (port > 65_535) return undefined
  if (parts[2] !== undefined) {
    const address = parseAddress(parts[2])
    return address?.family === 6 ? { name: `[${address.text}]`, port } : undefined
  }
  return { name: parts[1]!.toLowerCase(), port }
}

/**
 * No backslash, control character or fragment: `fetch` reads `\` as `/`, drops tabs and cuts at `#`, so that the
 * endpoint would be asked for another path than the one a rule was found for.
 */
export function isPlainTarget(path: string, search: string): boolean {
  return !NOT_IN_TARGET.test(path) && !NOT_IN_TARGET.test(search)
}

/** Labels of letters, digits, `-` and `_`, or an IPv6 address in brackets; a port. RFC 9110 section 7.2, without userinfo. */
const HOST =
  /^(?:((?=[^:]{1,254}(?::|$))[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*)\.?|\[([0-9A-Fa-f:.]{2,45})\])(?::(\d{1,5}))?$/
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
const NOT_IN_TARGET = /[\x00-\x20\x7f\\#]/
