import { defineConfig } from 'fourseven'

// Three tiers on one machine: connections, requests, and a Worker that this machine runs itself.
const loopback = ['127.0.0.0/8']

export default defineConfig({
  listeners: {
    // Connections, blind to what is in them. On to one of the doors, with the client's address ahead.
    front: { kind: 'tcp', address: '127.0.0.1:8080' },
    // Requests. They believe the front who the client is, and nobody else.
    'door-a': { kind: 'http', address: '127.0.0.1:8081', proxyProtocol: [{ from: loopback, mode: 'require' }] },
    'door-b': { kind: 'http', address: '127.0.0.1:8082', proxyProtocol: [{ from: loopback, mode: 'require' }] },
    // The Worker. It does not see its peer: what the doors say of the client is all it has.
    worker: { kind: 'edge', clientAddress: { trustedProxies: loopback } },
  },
  pools: {
    doors: {
      endpoints: ['tcp://127.0.0.1:8081', 'tcp://127.0.0.1:8082'],
      sendProxy: 2,
      probe: { kind: 'http', path: '/', status: '200-499' },
    },
    workers: { endpoints: ['${WORKER:-http://127.0.0.1:8787}'] },
  },
  routes: [
    { name: 'front', listener: 'front', pool: 'doors' },
    {
      name: 'doors',
      listener: ['door-a', 'door-b'],
      pool: 'workers',
      filters: { responseHeaders: { set: { 'x-door-saw': '{client.address}' } } },
    },
    {
      name: 'site',
      listener: 'worker',
      reply: { status: 200, body: 'hello from the Worker\n' },
      filters: { responseHeaders: { set: { 'x-worker-saw': '{client.address}' } } },
    },
  ],
})
