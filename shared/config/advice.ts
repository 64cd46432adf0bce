// The classic mistakes of a config that is right in form: what `parse` accepts and an operator would regret.
// Only what is almost surely meant otherwise is said; a config without these mistakes gets no word.

import { doors } from './doors.ts'
import {
  type EndpointAddress,
  isIpLiteral,
  parseEndpointAddress,
  resolveVariables,
  type Variables,
} from './endpoint-address.ts'
import { formatPlace } from './findings.ts'
import type { Config, PoolConfig, Route } from './parsed.ts'
import { poolsOf } from './part.ts'
import type { Problem } from './problem.ts'

export interface AdviceOptions {
  /** What each plane will know. Addresses that cannot be resolved are passed over: `parse` and `compile` speak of them. */
  readonly variables: { readonly workers: Variables; readonly relay: Variables }
  /** The edge runs on this machine, where it can reach loopback and IP addresses. */
  readonly isLocal: boolean
  /** The names of the Worker's bindings that can be fetched from; undefined where nobody knows them. */
  readonly bindings?: ReadonlySet<string> | undefined
}

/** Every classic mistake found, in the order of pools and then routes. */
export function advise(config: Config, options: AdviceOptions): Problem[] {
  const { isLocal, variables, bindings } = options
  const problems: Problem[] = []
  for (const pool of config.pools) {
    const routes = config.routes.filter(route => poolsOf(route).includes(pool.name))
    const atEdge = routes.find(route => isServedBy(route, config, 'workers'))
    const atRelay = routes.find(route => route.layer === 4 && isAt(route, config, 'tcp'))
    const passed = routes.find(route =>
      config.listeners.some(each => isPassing(each) && route.listeners.includes(each.name)),
    )
    if (atEdge !== undefined) problems.push(...edgeAdvice(pool, atEdge, variables.workers, isLocal, bindings))
    const atHttp = atEdge === undefined ? routes.find(route => isAt(route, config, 'http')) : undefined
    if (atHttp !== undefined) {
      for (const { path, address } of resolvedEndpoints(pool, variables.relay)) {
        problems.push(...portAdvice(address, path, `${address.origin} serves the http route "${atHttp.name}"`))
      }
    }
    if (atRelay !== undefined) problems.push(...relayAdvice(pool, atRelay, config, variables.relay))
    if (passed !== undefined) problems.push(...tlsAdvice(pool, passed, variables.relay))
    for (const route of routes) problems.push(...postgresAdvice(pool, route, config, variables.relay))
  }
  if (!isLocal) problems.push(...config.routes.flatMap((route, at) => cacheAdvice(route, at, config)))
  return problems
}

function isServedBy(route: Route, config: Config, plane: 'workers' | 'relay'): boolean {
  return config.listeners.some(
    listener => route.listeners.includes(listener.name) && doors[listener.kind].plane === plane,
  )
}

function isAt(route: Route, config: Config, kind: 'tcp' | 'http'): boolean {
  return config.listeners.some(listener => route.listeners.includes(listener.name) && listener.kind === kind)
}

function isPassing(listener: Config['listeners'][number]): boolean {
  return listener.kind === 'tls' && listener.ending === undefined
}

/** The client's own TLS passes through: an endpoint would have to unwrap it twice. */
function tlsAdvice(pool: PoolConfig, route: Route, variables: Variables): Problem[] {
  const first = resolvedEndpoints(pool, variables).find(({ address }) => address.scheme === 'tls')
  if (first === undefined) return []
  return [
    {
      severity: 'warning',
      code: 'tls-in-tls',
      path: first.path,
      message: `${first.address.origin} wraps in TLS what route "${route.name}" passes through, which is TLS already`,
      mend: `Write tcp://, or give the listener "certificates", so that TLS ends there and begins anew.`,
    },
  ]
}

/** Its clients ask for TLS in their own protocol first, unless they were told otherwise (`sslnegotiation=direct`). */
function postgresAdvice(pool: PoolConfig, route: Route, config: Config, variables: Variables): Problem[] {
  if (route.layer !== 4) return []
  const listener = config.listeners.find(each => route.listeners.includes(each.name) && each.kind === 'tls')
  if (listener?.kind !== 'tls' || listener.peek.startTls !== undefined) return []
  const isDirect = route.rules.every(rule => rule.matches.every(match => match.alpn.includes('postgresql')))
  const first = resolvedEndpoints(pool, variables).find(({ address }) => address.port === POSTGRES)
  if (first === undefined || isDirect) return []
  return [
    {
      severity: 'warning',
      code: 'postgres-needs-start-tls',
      path: formatPlace(['listeners', listener.name]),
      message: `${first.address.origin} behind the tls route "${route.name}" is Postgres by its port, and its clients do not begin with TLS`,
      mend: 'Say startTls: "postgres", which answers their SSLRequest; or match alpn: "postgresql", which clients with sslnegotiation=direct offer.',
    },
  ]
}

function edgeAdvice(
  pool: PoolConfig,
  route: Route,
  variables: Variables,
  isLocal: boolean,
  bindings: ReadonlySet<string> | undefined,
): Problem[] {
  return resolvedEndpoints(pool, variables).flatMap(({ path, address }): Problem[] => {
    const where = `${address.origin} serves route "${route.name}" at the edge`
    if (address.scheme === 'binding') return bindingAdvice(address.host, path, where, bindings)
    const problems: Problem[] = []
    if (isLoopback(address.host)) {
      if (!isLocal) {
        problems.push({
          severity: 'error',
          code: 'loopback-endpoint',
          path,
          message: `${where}, where this machine's loopback does not exist`,
          mend: 'Give it a public name through a variable in [vars] of wrangler.toml, or check with --local.',
        })
      }
    } else if (isIpLiteral(address.host) && !isLocal) {
      problems.push({
        severity: 'warning',
        code: 'ip-literal',
        path,
        message: `${where}, and Workers cannot fetch an IP address`,
        mend: 'Use a DNS name that resolves to it.',
      })
    } else if (!isLocal && !isPublicName(address.host)) {
      problems.push({
        severity: 'warning',
        code: 'name-not-public',
        path,
        message: `${where}, and no public name server knows ${address.host}`,
        mend: 'Give it a public name, a Cloudflare tunnel or a binding, or serve it from a listener of the relay.',
      })
    }
    problems.push(...portAdvice(address, path, where))
    return problems
  })
}

/** The Cache API does nothing there; whether a Worker without hostnames has a domain of its own stands nowhere. */
function cacheAdvice(route: Route, at: number, config: Config): Problem[] {
  if (route.layer !== 7 || route.rules.every(rule => rule.cache === undefined)) return []
  const doors = config.listeners.filter(each => each.kind === 'edge' && route.listeners.includes(each.name))
  const taken = doors.flatMap(listener => ('hostnames' in listener ? listener.hostnames : []))
  const hosts = (route.hostnames.length > 0 ? route.hostnames : taken).filter(host => host.endsWith('.workers.dev'))
  if (doors.length === 0 || hosts.length === 0) return []
  return [
    {
      severity: 'warning',
      code: 'cache-without-domain',
      path: formatPlace(['routes', at]),
      message: `route "${route.name}" keeps answers, and on ${hosts[0]} Cloudflare keeps none: its Cache API works on custom domains only`,
      mend: 'Give the Worker a custom domain.',
    },
  ]
}

/** What an HTTP route cannot get an answer from. */
function portAdvice({ host, port }: EndpointAddress, path: string, where: string): Problem[] {
  const protocol = nonHttpPorts.get(port)
  if (protocol === undefined) return []
  return [
    {
      severity: 'warning',
      code: 'not-http',
      path,
      message: `${where}, and port ${port} is ${protocol}, which does not speak HTTP`,
      mend: `Put a tcp listener in front of it, with tcp://${host}:${port} as its endpoint.`,
    },
  ]
}

/** Without its binding the pool answers 500, and nothing else does. */
function bindingAdvice(
  name: string,
  path: string,
  where: string,
  bindings: ReadonlySet<string> | undefined,
): Problem[] {
  if (bindings === undefined || bindings.has(name)) return []
  return [
    {
      severity: 'warning',
      code: 'not-bound',
      path,
      message: `${where}, and wrangler.toml binds no Worker as ${name} there`,
      mend: `Add a [[services]] entry with binding = "${name}"; a named environment needs its own.`,
    },
  ]
}

/** A tcp door chooses once per connection, and an HTTP endpoint behind it sees the relay's address as the client's. */
function relayAdvice(pool: PoolConfig, route: Route, config: Config, variables: Variables): Problem[] {
  const http = resolvedEndpoints(pool, variables).filter(
    ({ address }) => httpPorts.has(address.port) || grpcName.test(address.host),
  )
  const first = http[0]
  if (first === undefined) return []
  const what = `${first.address.origin} behind the tcp route "${route.name}" looks like HTTP (by its ${httpPorts.has(first.address.port) ? `port ${first.address.port}` : 'name'})`
  if (pool.endpoints.length > 1) {
    return [
      {
        severity: 'warning',
        code: 'http-behind-tcp',
        path: first.path,
        message: `${what}: one HTTP/2 or gRPC connection lands every request on one endpoint of "${pool.name}"`,
        mend: 'Serve it from an edge listener, which chooses per request.',
      },
    ]
  }
  if (first.address.port === 443 || pool.sendProxy !== undefined) return []
  const kernels = config.listeners
    .filter(({ name }) => route.listeners.includes(name))
    .map(listener => ('kernel' in listener ? listener.kernel : undefined))
  if (kernels.every(kernel => kernel?.source === 'keep')) return []
  const mend = kernels.every(kernel => kernel !== undefined)
    ? 'Say source "keep" on the listener, with the relay as the endpoint\'s gateway, or mode "dsr".'
    : 'Serve it from an edge listener, which sends X-Forwarded-For, or send it a PROXY header (sendProxy: 2).'
  return [
    {
      severity: 'warning',
      code: 'client-address-lost',
      path: first.path,
      message: `${what}: it never learns the client's address, the relay's stands in its place`,
      mend,
    },
  ]
}

function resolvedEndpoints(
  pool: PoolConfig,
  variables: Variables,
): { readonly path: string; readonly address: EndpointAddress }[] {
  return pool.endpoints.flatMap((endpoint, i) => {
    const resolved = resolveVariables(endpoint.address, variables)
    const address = 'text' in resolved ? parseEndpointAddress(resolved.text) : undefined
    if (address === undefined || typeof address === 'string') return []
    return [{ path: formatPlace(['pools', pool.name, 'endpoints', i]), address }]
  })
}

/** Not a single label, and under none of the names that are kept for networks of one's own. */
function isPublicName(host: string): boolean {
  const last = host.slice(host.lastIndexOf('.') + 1)
  return isIpLiteral(host) || (host.includes('.') && !privateNames.has(last) && !host.endsWith('.home.arpa'))
}

/** RFC 6761 section 6.3 for names, RFC 1122 section 3.2.1.3 for 127/8; the unspecified address connects to this machine too. */
function isLoopback(host: string): boolean {
  if (host === 'localhost' || host.endsWith('.localhost')) return true
  return host === '::1' || host === '::' || host === '0.0.0.0' || (host.startsWith('127.') && isIpLiteral(host))
}

/** IANA service names and port numbers of servers that many people run and that do not answer HTTP. */
const nonHttpPorts: ReadonlyMap<number, string> = new Map([
  [22, 'SSH'],
  [25, 'SMTP'],
  [53, 'DNS'],
  [389, 'LDAP'],
  [636, 'LDAP over TLS'],
  [1433, 'SQL Server'],
  [1521, 'Oracle'],
  [1883, 'MQTT'],
  [3306, 'MySQL'],
  [5432, 'Postgres'],
  [5672, 'AMQP'],
  [6379, 'Redis'],
  [8883, 'MQTT over TLS'],
  [9042, 'Cassandra'],
  [9092, 'Kafka'],
  [11211, 'memcached'],
  [27017, 'MongoDB'],
])

/** RFC 6762 (mDNS, Kubernetes), ICANN's `internal` of 2024, and what home routers use. */
const privateNames: ReadonlySet<string> = new Set(['local', 'internal', 'intranet', 'lan', 'home', 'corp', 'private'])

/** HTTP, its usual second port, HTTPS, and the port of gRPC's own examples. */
const httpPorts: ReadonlySet<number> = new Set([80, 443, 8080, 50051])
/** A label that says so: `grpc-a.example.com`, `orders-grpc.example.com`. */
const grpcName = /(?:^|[.-])grpc(?:[.-]|\d|$)/
const POSTGRES = 5432
