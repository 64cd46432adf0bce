import { defineConfig } from 'fourseven'

export default defineConfig({
  listeners: { web: { kind: 'edge' } },
  pools: { app: { endpoints: ['${APP:-https://app.example.com}'] } },
  routes: [
    {
      name: 'shop',
      hostnames: ['shop.example.com'],
      rules: [
        {
          name: 'static',
          match: { path: { prefix: '/static/' } },
          pool: 'app',
          cache: {
            // What campaigns add to links makes no other file.
            key: { query: { except: ['utm_source', 'utm_campaign'] } },
            // A file that is not there is asked for again after ten seconds.
            ttl: { '200': '5m', '404': '10s' },
            staleWhileRevalidate: '1m',
            staleIfError: '1d',
          },
        },
        { name: 'rest', pool: 'app' },
      ],
    },
  ],
})
