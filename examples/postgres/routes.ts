import { defineConfig } from 'fourseven'

export default defineConfig({
  listeners: {
    // Both see bytes only: TLS, users and queries stay between the client and Postgres.
    write: { kind: 'tcp', address: '127.0.0.1:6432' },
    read: { kind: 'tcp', address: '127.0.0.1:6433', maxConnections: 2_000 },
  },
  pools: {
    primary: {
      endpoints: ['${PRIMARY:-tcp://127.0.0.1:5432}'],
      probe: { kind: 'postgres' },
      // Postgres refuses what is beyond its max_connections; here a client waits for a place instead.
      limits: { maxRequestsPerEndpoint: 90 },
      queue: { max: 500, timeout: '10s' },
    },
    replicas: {
      endpoints: ['${REPLICA_A:-tcp://127.0.0.1:5433}', '${REPLICA_B:-tcp://127.0.0.1:5434}'],
      balance: 'least-requests',
      probe: { kind: 'postgres' },
      slowStart: '30s',
    },
  },
  routes: [
    { name: 'write', listener: 'write', pool: 'primary', timeouts: { idle: '8h' } },
    { name: 'read', listener: 'read', pool: 'replicas', timeouts: { connect: '3s', idle: '8h' } },
  ],
})
