// Whether an answer is compressed on its way to the client, and how (RFC 9110 sections 8.4 and 12.5.3).

import type { CompressConfig } from '../config/parse-cache.ts'
import type { HeaderFields } from './header-fields.ts'

export type Encoding = 'zstd' | 'br' | 'gzip'

/** What a door can encode, best first. The edge's runtime would label zstd and send plain bytes. */
export const encodingsAt: Readonly<Record<'edge' | 'http', readonly Encoding[]>> = {
  edge: ['br', 'gzip'],
  http: ['zstd', 'br', 'gzip'],
}

/**
 * What to do with an answer. `vary`: it stays as it is for this client, and others may get it compressed, so caches behind
 * us have to tell them apart.
 *
 * @param accepted what `acceptedEncodings` gives; null for nothing
 * @param offered what this door can encode, best first
 */
export function encodingFor(
  rule: CompressConfig,
  method: string,
  status: number,
  fields: HeaderFields,
  accepted: string | null,
  offered: readonly Encoding[],
): Encoding | 'vary' | undefined {
  if (!isCompressible(rule, status, fields)) return undefined
  if (method === 'HEAD') return 'vary'
  return chooseEncoding(accepted, offered) ?? 'vary'
}

/** What the client accepts: nothing encoded where it asks for no change on the way (RFC 9111 section 5.2.1.6). */
export function acceptedEncodings(request: HeaderFields, accepted = request.get('accept-encoding')): string | null {
  return isNoTransform(request) ? null : accepted
}

/**
 * The best of what is offered that the client accepts: the greater weight, then our order. Undefined when the client
 * accepts none or would rather have it plain.
 */
export function chooseEncoding(accepted: string | null, offered: readonly Encoding[]): Encoding | undefined {
  // Saying nothing means anything goes (RFC 9110 section 12.5.3), and clients that say nothing mostly cannot decode.
  if (accepted === null) return undefined
  const weights = new Map<string, number>()
  for (const member of accepted.slice(0, longestField).split(',')) {
    const [name, ...parameters] = member.split(';')
    const coding = name!.trim().toLowerCase()
    if (coding !== '') weights.set(coding === 'x-gzip' ? 'gzip' : coding, weightOf(parameters))
  }
  const rest = weights.get('*') ?? 0
  let best: Encoding | undefined
  // Plain is acceptable unless it is ruled out, and preferred only where the client says so.
  let weight = weights.get('identity') ?? 0
  for (const coding of offered) {
    const own = weights.get(coding) ?? rest
    if (own > 0 && (best === undefined ? own >= weight : own > weight)) {
      best = coding
      weight = own
    }
  }
  return best
}

/** What the fields have to say once the body is encoded. The length is no longer known. */
export function setEncoded(fields: HeaderFields, encoding: Encoding): void {
  fields.set('content-encoding', encoding)
  fields.delete('content-length')
  fields.delete('accept-ranges')
  // Not the same bytes any more, so no longer a strong validator (RFC 9110 section 8.8.1).
  const etag = fields.get('etag')
  if (etag?.startsWith('"')) fields.set('etag', `W/${etag}`)
}

/** Adds `Accept-Encoding` to `Vary`. */
export function setVaryEncoding(fields: HeaderFields): void {
  const vary = fields.get('vary')
  if (vary === null || vary.trim() === '') fields.set('vary', 'Accept-Encoding')
  else if (!/(?:^|,)\s*(?:\*|accept-encoding)\s*(?:,|$)/i.test(vary)) fields.set('vary', `${vary}, Accept-Encoding`)
}

function isCompressible({ types, minBytes }: CompressConfig, status: number, fields: HeaderFields): boolean {
  if (status < 200 || status === 204 || status === 205 || status === 206 || status === 304) return false
  const encoded = fields.get('content-encoding')
  if (encoded !== null && encoded.trim().toLowerCase() !== 'identity') return false
  if (fields.get('content-range') !== null) return false
  const length = fields.get('content-length')
  if (length !== null && Number(length) < minBytes) return false
  if (isNoTransform(fields)) return false
  const type = (fields.get('content-type') ?? '').split(';', 1)[0]!.trim().toLowerCase()
  // An event has to arrive when it happens.
  if (type === '' || type === 'text/event-stream') return false
  return types.some(each => (each.endsWith('/*') ? type.startsWith(each.slice(0, -1)) : type === each))
}

function isNoTransform(fields: HeaderFields): boolean {
  return /(?:^|[,\s])no-transform(?:$|[,\s])/i.test(fields.get('cache-control') ?? '')
}

/** A weight that cannot be read is 0: rather plain than something the client cannot take. */
function weightOf(parameters: readonly string[]): number {
  for (const parameter of parameters) {
    const match = /^\s*q\s*=\s*(.*?)\s*$/i.exec(parameter)
    if (match !== null) return /^(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/.test(match[1]!) ? Number(match[1]) : 0
  }
  return 1
}

const longestField = 4096
