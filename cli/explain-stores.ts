// What cache and compression would do, in lines.

import type { CacheExplanation, CompressExplanation } from '../shared/explain/cache.ts'
import { paint } from './paint.ts'

export interface Stores {
  readonly cache?: CacheExplanation
  readonly compress?: CompressExplanation
}

export function renderStores({ cache, compress }: Stores): string[] {
  return [...cacheLines(cache), ...compressLines(compress)]
}

function cacheLines(cache: CacheExplanation | undefined): string[] {
  if (cache === undefined) return []
  const { key, keptIn, request, answer } = cache
  const lines = [paint('bold', 'Cache'), `  key ${key}`, `  kept in ${keptIn}`, `  ${request}`]
  if (answer === undefined) return [...lines, "  give --answer to see what becomes of an endpoint's answer"]
  if (!answer.isStored) return [...lines, `  not stored: ${answer.why}`]
  const { freshForS, staleWhileRevalidateS, staleIfErrorS, vary, tags, next } = answer
  const stale = [
    ...(staleWhileRevalidateS > 0 ? [`${staleWhileRevalidateS} s while a new one is fetched`] : []),
    ...(staleIfErrorS > 0 ? [`${staleIfErrorS} s when no endpoint can answer`] : []),
  ]
  return [
    ...lines,
    `  stored, ${freshForS > 0 ? `fresh for ${freshForS} s` : 'stale at once'}`,
    ...(stale.length === 0 ? [] : [`  given stale for ${stale.join(', ')}`]),
    ...(vary.length === 0 ? [] : [`  varies by ${vary.join(', ')}`]),
    ...(tags.length === 0 ? [] : [`  tags ${tags.join(', ')}`]),
    `  the same request then gets: ${next}`,
  ]
}

function compressLines(compress: CompressExplanation | undefined): string[] {
  if (compress === undefined) return []
  const { encoding, types, minBytes } = compress
  const said =
    encoding === undefined
      ? `answers of ${types.join(', ')} from ${minBytes} bytes on, as the client accepts`
      : encoding === 'none'
        ? 'the answer goes as it is'
        : `the answer goes as ${encoding}`
  return [paint('bold', 'Compress'), `  ${said}`]
}
