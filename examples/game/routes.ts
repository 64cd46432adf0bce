import { defineConfig } from 'fourseven'

export default defineConfig({
  listeners: {
    game: {
      kind: 'udp',
      address: '127.0.0.1:27015',
      // Players behind one address, and no more.
      maxSessionsPerAddress: 32,
      sessionRate: 500,
    },
  },
  pools: {
    arenas: {
      endpoints: [
        { name: 'arena-1', address: '${ARENA_1:-udp://127.0.0.1:27021}' },
        { name: 'arena-2', address: '${ARENA_2:-udp://127.0.0.1:27022}' },
      ],
      // A new player goes where fewer play.
      balance: 'least-requests',
      limits: { maxRequestsPerEndpoint: 200 },
      // The first datagram of a player says where it comes from.
      sendProxy: 2,
      probe: { kind: 'udp', payload: 'status', expect: 'up', interval: '1s' },
    },
  },
  routes: [{ name: 'play', listener: 'game', pool: 'arenas', timeouts: { idle: '20s' } }],
})
