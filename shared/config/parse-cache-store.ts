// Where a relay keeps the answers that its rules store.

import { utf8Bytes } from '../wire/utf8.ts'
import type { CacheStoreInput } from './config-http.ts'
import { bounds, defaults } from './defaults.ts'
import type { Door } from './doors.ts'
import { type Findings, type Place, show } from './findings.ts'
import type { HttpRule, Route } from './parsed.ts'
import { readSize } from './read-values.ts'
import { formatSize, parseSize } from './units.ts'

export interface CacheStoreConfig {
  /** Of heads and bodies together. */
  readonly memoryBytes: number
  /** Behind memory; undefined: none. */
  readonly disk: { readonly path: string; readonly bytes: number } | undefined
}

/** What is said where nothing is written, and to the edge, which has no such store. */
export const defaultCacheStore: CacheStoreConfig = { memoryBytes: parseSize(defaults.cacheMemory)!, disk: undefined }

/**
 * @param routes as read: a store that no rule of them uses, or that is too small for one, is told
 * @param doorOf undefined when the listeners could not be read
 */
export function readCacheStore(
  input: CacheStoreInput | undefined,
  routes: readonly Route[],
  doorOf: ReadonlyMap<string, Door | undefined> | undefined,
  findings: Findings,
): CacheStoreConfig {
  const place = ['cacheStore']
  const memory = [...place, 'memory']
  const store: CacheStoreConfig = {
    memoryBytes: readSize(input?.memory, defaults.cacheMemory, bounds.cacheMemoryBytes, memory, findings),
    disk: input?.disk === undefined ? undefined : readDisk(input.disk, [...place, 'disk'], findings),
  }
  if (doorOf === undefined) return store
  const rules = cachingAtRelay(routes, doorOf)
  if (input !== undefined && rules.length === 0) {
    const message = 'no rule on an "http" listener has a cache, so a relay stores nothing'
    findings.warning('cache-store-unused', place, message, 'Leave "cacheStore" out, or give such a rule a cache.')
  }
  const largest = rules.toSorted((a, b) => b.cache!.maxBodyBytes - a.cache!.maxBodyBytes)[0]
  const roomBytes = store.disk?.bytes ?? store.memoryBytes
  if (largest !== undefined && largest.cache!.maxBodyBytes > roomBytes) {
    const message = `${largest.path} stores answers of up to ${formatSize(largest.cache!.maxBodyBytes)}, and there is room for ${formatSize(roomBytes)}`
    findings.warning(
      'cache-store-small',
      store.disk === undefined ? memory : [...place, 'disk', 'size'],
      message,
      "Give it more, or lower the rule's cache.maxBody.",
    )
  }
  return store
}

function readDisk(
  { path, size }: NonNullable<CacheStoreInput['disk']>,
  place: Place,
  findings: Findings,
): NonNullable<CacheStoreConfig['disk']> {
  if (!/^\/[^\0]*[^/\0]$/.test(path) || path.split('/').includes('..')) {
    const mend = 'Write an absolute path without "..", such as /var/cache/fourseven.'
    findings.error('bad-folder', [...place, 'path'], `${show(path)} is not the path of a folder`, mend)
  } else if ([...utf8Bytes(path)].length > longestFolder) {
    const mend = 'Name a folder nearer to the root: the lock in it is a socket, whose path is short.'
    findings.error('bad-folder', [...place, 'path'], `${show(path)} is longer than ${longestFolder} bytes`, mend)
  }
  const bytes = readSize(
    size,
    formatSize(bounds.cacheDiskBytes[0]),
    bounds.cacheDiskBytes,
    [...place, 'size'],
    findings,
  )
  return { path, bytes }
}

/** Rules that a relay stores answers of. */
function cachingAtRelay(routes: readonly Route[], doorOf: ReadonlyMap<string, Door | undefined>): readonly HttpRule[] {
  return routes.flatMap(route =>
    route.layer === 7 && route.listeners.some(name => doorOf.get(name) === 'http')
      ? route.rules.filter(({ cache }) => cache !== undefined)
      : [],
  )
}

/** A unix socket's path has 107 bytes (unix(7)), and the lock's name in the folder needs some. */
const longestFolder = 96
