import { defineConfig } from 'fourseven'

export default defineConfig({
  listeners: {
    cache: { kind: 'tcp', address: '127.0.0.1:6380', allow: ['127.0.0.0/8', '10.0.0.0/8'] },
  },
  pools: {
    cache: {
      endpoints: [
        { name: 'first', address: '${FIRST:-tcp://127.0.0.1:6379}' },
        // Asked only while the first is away.
        { name: 'standby', address: '${STANDBY:-tcp://127.0.0.1:6378}', priority: 1 },
      ],
      // Sends PING; a server that is still loading its data is down.
      probe: { kind: 'redis', interval: '1s' },
    },
  },
  routes: [{ name: 'cache', listener: 'cache', pool: 'cache', timeouts: { connect: '1s', idle: '1h' } }],
})
