// Pools that are right in form and hardly meant so: priorities with a gap, TLS for nobody, a port of the other scheme.

import { type EndpointAddress, isTlsScheme } from './endpoint-address.ts'
import type { Findings } from './findings.ts'
import { show } from './findings.ts'
import type { ResolvedEndpoint } from './parse-pool.ts'
import type { PoolConfig } from './parsed.ts'

export function checkPool(pool: PoolConfig, endpoints: readonly ResolvedEndpoint[], findings: Findings): void {
  const place = ['pools', pool.name]
  checkPriorities(pool, findings)
  for (const { place: here, address } of endpoints) {
    const { scheme, port, origin } = address
    const other = otherScheme(scheme, port)
    if (other !== undefined) {
      const message = `${origin} speaks ${scheme} on port ${port}, which is the port of ${other}`
      findings.warning('scheme-port', here, message, `Write ${other}://, or the port that speaks ${scheme}.`)
    }
    const spoken = isGrpcScheme(scheme) ? grpcSpoken : spokenAt.get(port)
    if (
      pool.probe !== undefined &&
      spoken !== undefined &&
      asks.has(pool.probe.kind) &&
      pool.probe.kind !== spoken[0]
    ) {
      const message = `${origin} is ${spoken[1]} by its ${isGrpcScheme(scheme) ? 'scheme' : 'port'}, and the probe speaks ${pool.probe.kind}`
      const mend = `Write kind: "${spoken[0]}", which ${spoken[1]} answers.`
      findings.warning('probe-of-another', [...place, 'probe', 'kind'], message, mend)
    }
    const protocol = pool.sendProxy === undefined ? undefined : neverProxied.get(port)
    if (protocol !== undefined) {
      const message = `${origin} is ${protocol} by its port, which takes a PROXY header for a broken request`
      const mend = 'Leave sendProxy out, or name a program in front of it that reads the header, such as PgBouncer.'
      findings.warning('proxy-not-spoken', [...place, 'sendProxy'], message, mend)
    }
  }
  if (pool.tls !== undefined && endpoints.length > 0 && !endpoints.some(({ address }) => isTlsScheme(address.scheme))) {
    const message = 'none of its endpoints is spoken to in TLS, so this says nothing'
    findings.warning('tls-unused', [...place, 'tls'], message, 'Write tls:// in the addresses, or leave "tls" out.')
  }
  const { maxRequests, maxRequestsPerEndpoint } = pool
  if (maxRequests !== undefined && maxRequestsPerEndpoint !== undefined && maxRequestsPerEndpoint > maxRequests) {
    const message = `an endpoint may have ${maxRequestsPerEndpoint} and the whole pool only ${maxRequests}: the bound of an endpoint is never met`
    const mend = 'Raise maxRequests, or lower maxRequestsPerEndpoint.'
    findings.warning('limit-never-met', [...place, 'limits', 'maxRequestsPerEndpoint'], message, mend)
  }
}

/** Groups are used from 0 on, one after the other: one that is not there is a slip, or a group that was forgotten. */
function checkPriorities({ name, endpoints }: PoolConfig, findings: Findings): void {
  const there = new Set(endpoints.map(endpoint => endpoint.priority))
  const missing = [...Array(Math.max(0, ...there)).keys()].find(priority => !there.has(priority))
  if (missing === undefined) return
  const index = endpoints.findIndex(endpoint => endpoint.priority > missing)
  const message = `the pool ${show(name)} has priority ${endpoints[index]!.priority} and no endpoint of priority ${missing}`
  const mend = 'Number the groups 0, 1, 2, …: 0 is used first.'
  findings.warning('priority-gap', ['pools', name, 'endpoints', index], message, mend)
}

function isGrpcScheme(scheme: EndpointAddress['scheme']): boolean {
  return scheme === 'grpc' || scheme === 'grpcs'
}

/** What is spoken on a port that belongs to another scheme; undefined when it does not. */
function otherScheme(scheme: EndpointAddress['scheme'], port: number): string | undefined {
  if (port === 443) return scheme === 'http' ? 'https' : scheme === 'grpc' ? 'grpcs' : undefined
  if (port === 80) return scheme === 'https' ? 'http' : scheme === 'grpcs' ? 'grpc' : undefined
  return undefined
}

/** Servers that never read a PROXY header by themselves. */
const neverProxied: ReadonlyMap<number, string> = new Map([
  [22, 'SSH'],
  [1433, 'SQL Server'],
  [1521, 'Oracle'],
  [5432, 'Postgres'],
  [6379, 'Redis'],
])
/** Probes that speak more than TCP or TLS. */
const asks: ReadonlySet<string> = new Set(['http', 'grpc', 'redis', 'postgres'])
const grpcSpoken = ['grpc', 'gRPC'] as const
/** The probe that a server on this port answers. */
const spokenAt: ReadonlyMap<number, readonly [kind: string, server: string]> = new Map([
  [22, ['tcp', 'SSH']],
  [1883, ['tcp', 'MQTT']],
  [3306, ['tcp', 'MySQL']],
  [5432, ['postgres', 'Postgres']],
  [6379, ['redis', 'Redis']],
  [27017, ['tcp', 'MongoDB']],
])
