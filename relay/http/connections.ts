// The connections to endpoints: kept while they are of use, opened when there is none, closed when nobody needs them.

import type { Endpoint, Pool } from '../../shared/pool/pool.ts'
import type { PoolTls } from '../pool-tls.ts'
import type { Asker, Call, Introduction, Question } from './call.ts'
import { EndpointConnections } from './endpoint-connections.ts'

export class Connections {
  private readonly byId = new Map<string, EndpointConnections>()
  /** Those that have told their endpoint of a client, by endpoint and by what was said; the one asked last is the last. */
  private readonly ofClients = new Map<string, Map<string, EndpointConnections>>()
  private readonly poolTls: () => PoolTls
  private readonly mayConnect: () => boolean

  /**
   * @param poolTls of now; a reload has another one
   * @param mayConnect whether there is a descriptor for one more
   */
  constructor(poolTls: () => PoolTls, mayConnect: () => boolean) {
    this.poolTls = poolTls
    this.mayConnect = mayConnect
  }

  ask(pool: Pool, endpoint: Endpoint, question: Question, asker: Asker, connectMs: number): Call {
    if (question.introduction !== undefined) {
      return this.forClient(pool, endpoint, question.introduction).ask(question, asker, connectMs)
    }
    let connections = this.byId.get(endpoint.id)
    if (connections === undefined) {
      connections = new EndpointConnections(pool, endpoint, this.poolTls, this.mayConnect)
      this.byId.set(endpoint.id, connections)
    }
    return connections.ask(question, asker, connectMs)
  }

  /** Idle ones to endpoints that are in no pool any more are closed; those in use go on. */
  follow(pools: readonly Pool[]): void {
    const known = new Map(pools.flatMap(pool => pool.endpoints.map(endpoint => [endpoint.id, { pool, endpoint }])))
    for (const [id, connections] of this.byId) {
      const still = known.get(id)
      if (still !== undefined && connections.keep(still.pool, still.endpoint)) continue
      connections.close()
      this.byId.delete(id)
    }
    for (const [id, clients] of this.ofClients) {
      const still = known.get(id)
      for (const [key, connections] of clients) {
        if (still?.pool.sendProxy !== undefined && connections.keep(still.pool, still.endpoint)) continue
        connections.close()
        clients.delete(key)
      }
      if (clients.size === 0) this.ofClients.delete(id)
    }
  }

  close(): void {
    for (const connections of this.byId.values()) connections.close()
    for (const clients of this.ofClients.values()) for (const connections of clients.values()) connections.close()
    this.byId.clear()
    this.ofClients.clear()
  }

  private forClient(pool: Pool, endpoint: Endpoint, introduction: Introduction): EndpointConnections {
    const { key } = introduction
    let clients = this.ofClients.get(endpoint.id)
    if (clients === undefined) {
      clients = new Map()
      this.ofClients.set(endpoint.id, clients)
    }
    const connections =
      clients.get(key) ?? new EndpointConnections(pool, endpoint, this.poolTls, this.mayConnect, introduction)
    clients.delete(key)
    clients.set(key, connections)
    if (clients.size > mostClients) {
      const [oldest, unused] = clients.entries().next().value!
      // Its idle connections end, those in use go on.
      unused.close()
      clients.delete(oldest)
    }
    return connections
  }
}

/** Clients that one endpoint has connections of. */
const mostClients = 1_024
