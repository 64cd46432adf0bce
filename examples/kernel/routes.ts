import { defineConfig } from 'fourseven'

export default defineConfig({
  listeners: {
    // What is answered is far longer than what is asked: it goes to the client directly, and not through the relay.
    rsync: { kind: 'tcp', mode: 'dsr', address: '192.0.2.10:873', interface: 'eth0' },
    // Name servers anywhere, which need nothing for it. Nobody else's networks may ask.
    dns: { kind: 'udp', mode: 'nat', address: '192.0.2.10:53', allow: ['192.0.2.0/24', '10.0.0.0/8'] },
  },
  pools: {
    // A new server gets its share little by little.
    rsync: {
      endpoints: ['tcp://192.0.2.21:873', 'tcp://192.0.2.22:873', { address: 'tcp://192.0.2.23:873', weight: 2 }],
      probe: { kind: 'tcp', interval: '1s', fall: 2 },
      slowStart: '1m',
    },
    dns: {
      endpoints: ['udp://10.0.0.5:53', 'udp://10.0.0.6:53'],
      // Asks for the name servers of the root: whatever the answer is, it begins with the id of the question, 0.
      probe: { kind: 'udp', payload: { hex: '0000 0100 0001 0000 0000 0000 00 0002 0001' }, expect: { hex: '0000' } },
    },
  },
  routes: [
    { name: 'rsync', listener: 'rsync', pool: 'rsync' },
    { name: 'dns', listener: 'dns', pool: 'dns', timeouts: { idle: '10s' } },
  ],
})
