// The conditions of HTTP and gRPC rules.

import type { HttpMatchInput, ValueMatchInput } from '../config/config-http.ts'
import type { GrpcMatch, HttpMatch, ValueMatch } from './http-shapes.ts'
import { type Notes, type Spot, within } from './notes.ts'

/** Undefined when the match is faulty, which is said. A match that takes everything is an empty one. */
export function readHttpMatch(match: HttpMatch, spot: Spot, notes: Notes): HttpMatchInput | undefined {
  const path = readPath(match.path, within(spot, 'path'), notes)
  if (path === undefined) return undefined
  const header = readValues(match.headers, within(spot, 'headers'), name => name.toLowerCase(), notes)
  const query = readValues(match.queryParams, within(spot, 'queryParams'), name => name, notes)
  return {
    ...(path === '/' ? {} : { path }),
    ...(match.method === undefined ? {} : { method: match.method }),
    ...(header === undefined ? {} : { header }),
    ...(query === undefined ? {} : { query }),
  }
}

export function readGrpcMatch(match: GrpcMatch, spot: Spot, notes: Notes): HttpMatchInput | undefined {
  const { type = 'Exact', service = '', method = '' } = match.method ?? {}
  const header = readValues(match.headers, within(spot, 'headers'), name => name.toLowerCase(), notes)
  if (match.method !== undefined && service === '' && method === '') {
    notes.add(
      'error',
      'empty-method',
      within(spot, 'method'),
      'neither service nor method is named',
      'Name one of them, or leave "method" out.',
    )
    return undefined
  }
  const name = (text: string) => (type === 'Exact' ? text : { regex: text })
  return {
    grpc: { ...(service === '' ? {} : { service: name(service) }), ...(method === '' ? {} : { method: name(method) }) },
    ...(header === undefined ? {} : { header }),
  }
}

function readPath(
  path: HttpMatch['path'],
  spot: Spot,
  notes: Notes,
): string | { exact: string } | { regex: string } | undefined {
  const { type = 'PathPrefix', value = '/' } = path ?? {}
  if (type === 'RegularExpression') return { regex: value }
  const fault = pathFault(value)
  if (fault !== undefined) {
    notes.add(
      'error',
      'bad-path',
      within(spot, 'value'),
      `the path "${value}" ${fault}`,
      'Write a path such as /api/v1.',
    )
    return undefined
  }
  return type === 'Exact' ? { exact: value } : value
}

/** What an API server refuses. */
function pathFault(path: string): string | undefined {
  if (!path.startsWith('/')) return 'does not begin with a slash'
  if (path.includes('//')) return 'holds two slashes in a row'
  if (/%2f/i.test(path)) return 'holds an encoded slash'
  if (/\/\.\.?(?:\/|$)/.test(path)) return 'holds a dot segment'
  if (!/^(?:[-A-Za-z0-9/._~!$&'()*+,;=:@]|%[0-9a-fA-F]{2})+$/.test(path)) return 'holds characters that no path has'
  return path.length > 1_024 ? 'is longer than 1,024 characters' : undefined
}

/** Of several for one name the first counts. */
function readValues(
  values: readonly ValueMatch[] | undefined,
  spot: Spot,
  keyOf: (name: string) => string,
  notes: Notes,
): Readonly<Record<string, ValueMatchInput>> | undefined {
  if (values === undefined || values.length === 0) return undefined
  const read = new Map<string, ValueMatchInput>()
  for (const [index, { type = 'Exact', name, value }] of values.entries()) {
    const key = keyOf(name)
    if (read.has(key)) {
      const message = `${name} stands here a second time: only the first counts`
      notes.add('warning', 'duplicate-name', within(spot, index), message, 'Leave it out.')
    } else read.set(key, type === 'Exact' ? value : { regex: value })
  }
  return Object.fromEntries(read)
}
