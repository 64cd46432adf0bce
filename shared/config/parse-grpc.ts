// gRPC matches. A call is a POST of `/service/method` with a content type of its own (gRPC over HTTP2, "Requests"), so a
// match for calls becomes one for paths, methods and headers, and everything behind `parse` knows only those.

import { checkRegex } from './check-regex.ts'
import type { GrpcMatchInput, NameMatchInput } from './config-http.ts'
import { type Door, features } from './doors.ts'
import { type Findings, listNames, type Place, show } from './findings.ts'
import type { HttpMatchConfig, NamedValueMatch } from './parsed.ts'
import { pathProblem } from './path-text.ts'
import { describeLayer } from './structure-words.ts'

/**
 * What a call looks like: with both names exact an exact path, with the service alone a prefix, else a regex.
 *
 * @param beside what the match has beside `grpc`, which says these itself
 */
export function readGrpcMatch(
  input: GrpcMatchInput,
  beside: { readonly path?: unknown; readonly method?: unknown },
  place: Place,
  door: Door,
  findings: Findings,
): Pick<HttpMatchConfig, 'path' | 'methods' | 'headers'> {
  const able = features['match.grpc']!
  if (!able.includes(door)) {
    const { message, mend } = describeLayer('match.grpc', door, able)
    findings.error('wrong-layer', place, message, mend)
  }
  const both = (['path', 'method'] as const).filter(key => beside[key] !== undefined)
  if (both.length > 0) {
    const message = `${listNames(both, 'and')} beside "grpc", which says what the path and the method of a call are`
    findings.error('grpc-and-path', place, message, 'Leave one of the two out.')
  }
  const service = readName(input.service, [...place, 'service'], findings)
  const method = readName(input.method, [...place, 'method'], findings)
  return { path: pathOf(service, method, place, findings), methods: ['POST'], headers: [grpcType] }
}

/**
 * Metadata whose name ends with `-bin` is base64 on its way, and some write it with `=` at the end and some without
 * ("implementations MUST accept padded and un-padded values"): both are the same value.
 */
export function readBinary(header: NamedValueMatch, place: Place, findings: Findings): NamedValueMatch {
  if (!header.name.endsWith('-bin') || header.op !== 'exact') return header
  const bare = header.value.replace(/={1,2}$/, '')
  if (!/^[A-Za-z0-9+/]*$/.test(bare) || bare.length % 4 === 1) {
    const mend = 'Write the bytes in base64, or match the encoded text with a regex.'
    findings.error('bad-binary', place, `${show(header.value)} is not base64, as metadata named *-bin is sent`, mend)
  }
  return { name: header.name, op: 'regex', value: `${bare.replaceAll('+', '\\+')}={0,2}` }
}

type Name = { readonly op: 'exact' | 'regex'; readonly value: string } | undefined

function readName(input: NameMatchInput | undefined, place: Place, findings: Findings): Name {
  if (input === undefined) return undefined
  if (typeof input === 'string') return exactName(input, place, findings)
  if ('exact' in input) return exactName(input.exact, [...place, 'exact'], findings)
  return { op: 'regex', value: checkRegex(input.regex, [...place, 'regex'], findings) ? input.regex : '' }
}

function exactName(value: string, place: Place, findings: Findings): Name {
  if (value === '' || value.includes('/') || pathProblem(`/${value}`) !== undefined) {
    const mend = 'Write the name alone: "helloworld.Greeter" for a service, "SayHello" for a method.'
    findings.error('bad-grpc-name', place, `${show(value)} is not the name of a gRPC service or method`, mend)
    return { op: 'exact', value: 'x' }
  }
  return { op: 'exact', value }
}

function pathOf(service: Name, method: Name, place: Place, findings: Findings): HttpMatchConfig['path'] {
  if (service === undefined && method === undefined) return { kind: 'prefix', value: '/' }
  if (service?.op === 'exact' && method === undefined) return { kind: 'prefix', value: `/${service.value}` }
  if (service?.op === 'exact' && method?.op === 'exact') {
    return { kind: 'exact', value: `/${service.value}/${method.value}` }
  }
  const value = `/${patternOf(service)}/${patternOf(method)}`
  // Each is sound alone; side by side they may share a text in many ways.
  if (service?.op === 'regex' && method?.op === 'regex') checkRegex(value, place, findings)
  return { kind: 'regex', value }
}

function patternOf(name: Name): string {
  if (name === undefined) return '[^/]+'
  return name.op === 'regex' ? `(?:${name.value})` : name.value.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')
}

/** See `isGrpc`: the same as a match. */
const grpcType: NamedValueMatch = { name: 'content-type', op: 'regex', value: 'application/grpc(?:[+;].*)?' }
