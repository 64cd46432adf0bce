// What an answer to an unsafe method makes out of date (RFC 9111 section 4.4).

import type { HeaderFields } from '../http/header-fields.ts'

/** Methods that change nothing (RFC 9110 section 9.2.1). Whatever else succeeds may have changed what is stored. */
const safe: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'QUERY', 'PROPFIND', 'REPORT', 'SEARCH'])

/**
 * URLs whose stored answers go: the one asked for, and where `Location` and `Content-Location` point if that is the same
 * scheme and host. None after a failure.
 */
export function invalidatedBy(method: string, url: string, status: number, fields: HeaderFields): readonly string[] {
  if (safe.has(method) || status < 200 || status >= 400) return []
  const urls = [url]
  for (const name of ['location', 'content-location']) {
    const said = fields.get(name)
    if (said === null || !URL.canParse(said, url)) continue
    const target = new URL(said, url)
    const own = new URL(url)
    const href = target.href.split('#', 1)[0]!
    if (target.protocol === own.protocol && target.host === own.host && !urls.includes(href)) urls.push(href)
  }
  return urls
}
