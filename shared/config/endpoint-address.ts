// `https://app.example.com/base`, `tcp://db.example.com:5432`, `unix:/run/app.sock` or `binding:APP`, parsed; and the
// variables in it.

import { parseAddress, parseHostPort, socketPathProblem } from '../wire/address.ts'
import { pathProblem } from './path-text.ts'

export interface EndpointAddress {
  readonly scheme: 'http' | 'https' | 'h2c' | 'grpc' | 'grpcs' | 'tcp' | 'tls' | 'udp' | 'unix' | 'binding'
  /** A name in lower case, an IPv4 literal, or an IPv6 literal without brackets; the name of a binding, the path of a unix socket. */
  readonly host: string
  /** What the name was resolved to, where the relay did so: connect there, and call it by `host`. */
  readonly ip?: string
  /** 0 for a binding and a unix socket. */
  readonly port: number
  /** Path in front of every request path, without trailing slash; empty for none. */
  readonly base: string
  /** `https://app.example.com` with the port only when it is not the scheme's own: what a request path is appended to. Brackets round IPv6. For a binding `binding:APP`, for a socket `unix:/run/app.sock`. */
  readonly origin: string
}

/** Values for `${NAME}`: the process environment, or a Worker's vars. */
export type Variables = Readonly<Record<string, string | undefined>>

/**
 * Reads an endpoint's address, or says what is wrong with it as the end of a sentence. Strict where the WHATWG URL
 * parser mends: no spaces, no `http:host`, no user and password, no query, no fragment, no host such as `0x7f.1`.
 */
export function parseEndpointAddress(text: string): EndpointAddress | string {
  if (text.length > LONGEST) return `it is longer than ${LONGEST} characters`
  const parts = /^([a-z][a-z0-9+.-]*):(\/\/)?(.*)$/is.exec(text)
  if (parts === null) return 'it has no scheme (https://, http:// or tcp://)'
  const scheme = parts[1]!.toLowerCase()
  if (scheme === 'binding') return bindingAddress((parts[2] ?? '') + parts[3]!)
  if (scheme === 'unix') return socketAddress((parts[2] ?? '') + parts[3]!)
  if (!isConnectable(scheme)) {
    if (laterSchemes.includes(scheme)) return `${scheme}: is not supported yet (${KNOWN} are)`
    return parts[2] === undefined
      ? 'it has no scheme (https://, http:// or tcp://)'
      : `${scheme}:// is not a scheme for endpoints (${KNOWN} are)`
  }
  if (parts[2] === undefined) return `two slashes belong behind ${scheme}:`
  const slash = parts[3]!.search(/[/?#]/)
  const authority = slash === -1 ? parts[3]! : parts[3]!.slice(0, slash)
  const path = slash === -1 ? '' : parts[3]!.slice(slash)
  if (authority.includes('@')) return 'a user or password does not belong in an address'

  const hasPort = /:\d*$/.test(authority) && !/^\[[^\]]*$/.test(authority)
  const isFlow = flowSchemes.includes(scheme)
  if (isFlow && !hasPort) return `a ${scheme}:// address needs a port`
  const place = parseHostPort(hasPort ? authority : `${authority}:${defaultPorts[scheme]}`)
  if (place === undefined) return `"${authority}" is not a host with an optional port`
  if (place.port === 0) return 'port 0 cannot be connected to'

  const base = path.replace(/\/+$/, '')
  if (isFlow && path !== '') return `a ${scheme}:// address has no path`
  if (base !== '') {
    const problem = pathProblem(base)
    if (problem !== undefined) return `its path ${problem}`
  }
  const host = place.host.includes(':') ? `[${place.host}]` : place.host
  const port = place.port === defaultPorts[scheme] ? '' : `:${place.port}`
  return { scheme, host: place.host, port: place.port, base, origin: `${scheme}://${host}${port}` }
}

type Connectable = Exclude<EndpointAddress['scheme'], 'unix' | 'binding'>

function isConnectable(scheme: string): scheme is Connectable {
  return Object.hasOwn(defaultPorts, scheme)
}

function socketAddress(path: string): EndpointAddress | string {
  const problem = socketPathProblem(path)
  if (problem !== undefined) return problem
  return { scheme: 'unix', host: path, port: 0, base: '', origin: `unix:${path}` }
}

/** A Worker's bindings are properties of an object that its code reads by name: wrangler takes identifiers only. */
function bindingAddress(name: string): EndpointAddress | string {
  if (name.startsWith('//')) return 'a binding is written without slashes: binding:APP'
  if (!/^[A-Za-z_][A-Za-z0-9_]{0,127}$/.test(name)) {
    return `"${name}" cannot be the name of a binding: letters, digits and _, not a digit first`
  }
  return { scheme: 'binding', host: name, port: 0, base: '', origin: `binding:${name}` }
}

/**
 * Fills in `${NAME}` and `${NAME:-default}`; the default holds when the variable is unset or empty, as in sh (POSIX Shell
 * 2.6.2). What is filled in is not looked at again. `{ unset }` names the first variable that has neither value nor
 * default. Anything else with a dollar sign stays as it is, and no address with one can be read.
 */
export function resolveVariables(
  text: string,
  variables: Variables,
): { readonly text: string } | { readonly unset: string } {
  let unset: string | undefined
  const filled = text.replace(variablePattern, (_, name: string, fallback: string | undefined) => {
    const value = Object.hasOwn(variables, name) ? variables[name] : undefined
    if (fallback !== undefined) return value === undefined || value === '' ? fallback : value
    if (value === undefined) unset ??= name
    return value ?? ''
  })
  return unset === undefined ? { text: filled } : { unset }
}

/** Whether the host of an endpoint is an IP address and not a name: Workers cannot fetch those. */
export function isIpLiteral(host: string): boolean {
  return parseAddress(host) !== undefined
}

/** Whether TLS begins with the connection. */
export function isTlsScheme(scheme: EndpointAddress['scheme']): boolean {
  return scheme === 'https' || scheme === 'grpcs' || scheme === 'tls'
}

/** Whether nothing but HTTP/2 is spoken there; `https` agrees on it or not. */
export function isHttp2Scheme(scheme: EndpointAddress['scheme']): boolean {
  return scheme === 'h2c' || scheme === 'grpc' || scheme === 'grpcs'
}

/** The names are bounded so that no text makes the search slow. */
const variablePattern = /\$\{([A-Za-z_][A-Za-z0-9_]{0,127})(?::-([^{}$]{0,1024}))?\}/g
const defaultPorts: Readonly<Record<Connectable, number | undefined>> = {
  http: 80,
  h2c: 80,
  grpc: 80,
  https: 443,
  grpcs: 443,
  tcp: undefined,
  tls: undefined,
  udp: undefined,
}
/** Planned: each comes with the door that can carry it. */
const laterSchemes = ['srv']
const flowSchemes: readonly string[] = ['tcp', 'tls', 'udp']
const KNOWN = 'https://, http://, h2c://, grpc://, grpcs://, tcp://, tls://, udp://, unix: and binding:'
const LONGEST = 2_048
