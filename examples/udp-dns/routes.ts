import { defineConfig } from 'fourseven'

const servers = ['${A:-127.0.0.1:5301}', '${B:-127.0.0.1:5302}']

export default defineConfig({
  listeners: {
    dns: { kind: 'udp', address: '127.0.0.1:5300' },
    // What does not fit into a datagram is asked for by TCP, at the same port.
    'dns-tcp': { kind: 'tcp', address: '127.0.0.1:5300' },
  },
  pools: {
    dns: {
      endpoints: servers.map(server => `udp://${server}`),
      // Asks for the name servers of the root: whatever the answer is, it begins with the id of the question, 0.
      probe: { kind: 'udp', payload: { hex: '0000 0100 0001 0000 0000 0000 00 0002 0001' }, expect: { hex: '0000' } },
    },
    'dns-tcp': { endpoints: servers.map(server => `tcp://${server}`) },
  },
  routes: [
    // A question and its answer are a session: the next question may go to another server.
    {
      name: 'dns',
      listener: 'dns',
      pool: 'dns',
      session: { requests: 1, responses: 1 },
      timeouts: { idle: '5s' },
    },
    { name: 'dns-tcp', listener: 'dns-tcp', pool: 'dns-tcp' },
  ],
})
