import { defineConfig } from 'fourseven'

export default defineConfig({
  listeners: {
    web: {
      kind: 'tcp',
      address: '127.0.0.1:8080',
      // A load balancer in front of the relay says who the client is. From everyone else a header is payload.
      proxyProtocol: [{ from: ['10.0.0.0/8'], mode: 'require' }],
    },
  },
  pools: {
    nginx: {
      endpoints: ['${NGINX_A:-tcp://127.0.0.1:8081}', '${NGINX_B:-tcp://127.0.0.1:8082}'],
      sendProxy: { version: 2, tlvs: { uniqueId: true, crc32c: true } },
      probe: { kind: 'http', path: '/healthz' },
      slowStart: '30s',
    },
  },
  routes: [{ name: 'web', listener: 'web', pool: 'nginx' }],
})
