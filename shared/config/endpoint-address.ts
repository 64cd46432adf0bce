// `https://app.example.com/base` or `tcp://db.example.com:5432`, parsed; and the variables in it.

import { parseAddress, parseHostPort } from '../wire/address.ts'
import { pathProblem } from './path-text.ts'

export interface EndpointAddress {
  readonly scheme: 'http' | 'https' | 'tcp'
  /** A name in lower case, an IPv4 literal, or an IPv6 literal without brackets. */
  readonly host: string
  readonly port: number
  /** Path in front of every request path, without trailing slash; empty for none. */
  readonly base: string
  /** `https://app.example.com` with the port only when it is not the scheme's own: what a request path is appended to. Brackets round IPv6. */
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
  if (scheme !== 'http' && scheme !== 'https' && scheme !== 'tcp') {
    if (laterSchemes.includes(scheme)) return `${scheme}: is not supported yet (https://, http:// and tcp:// are)`
    return parts[2] === undefined
      ? 'it has no scheme (https://, http:// or tcp://)'
      : `${scheme}:// is not a scheme for endpoints (https://, http:// and tcp:// are)`
  }
  if (parts[2] === undefined) return `two slashes belong behind ${scheme}:`
  const slash = parts[3]!.search(/[/?#]/)
  const authority = slash === -1 ? parts[3]! : parts[3]!.slice(0, slash)
  const path = slash === -1 ? '' : parts[3]!.slice(slash)
  if (authority.includes('@')) return 'a user or password does not belong in an address'

  const hasPort = /:\d*$/.test(authority) && !/^\[[^\]]*$/.test(authority)
  if (scheme === 'tcp' && !hasPort) return 'a tcp:// address needs a port'
  const place = parseHostPort(hasPort ? authority : `${authority}:${defaultPorts[scheme]}`)
  if (place === undefined) return `"${authority}" is not a host with an optional port`
  if (place.port === 0) return 'port 0 cannot be connected to'

  const base = path.replace(/\/+$/, '')
  if (scheme === 'tcp' && path !== '') return 'a tcp:// address has no path'
  if (base !== '') {
    const problem = pathProblem(base)
    if (problem !== undefined) return `its path ${problem}`
  }
  const host = place.host.includes(':') ? `[${place.host}]` : place.host
  const port = place.port === defaultPorts[scheme] ? '' : `:${place.port}`
  return { scheme, host: place.host, port: place.port, base, origin: `${scheme}://${host}${port}` }
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

/** The names are bounded so that no text makes the search slow. */
const variablePattern = /\$\{([A-Za-z_][A-Za-z0-9_]{0,127})(?::-([^{}$]{0,1024}))?\}/g
const defaultPorts: Readonly<Record<'http' | 'https' | 'tcp', number | undefined>> = {
  http: 80,
  https: 443,
  tcp: undefined,
}
/** Planned: each comes with the door that can carry it. */
const laterSchemes = ['h2c', 'grpc', 'grpcs', 'tls', 'udp', 'unix', 'binding', 'srv']
const LONGEST = 2_048
