// Another Worker as an endpoint: it is asked without a way over the network, beside endpoints that are.

import { defineConfig } from 'fourseven'

export default defineConfig({
  listeners: { web: { kind: 'edge' } },
  pools: {
    // The name under which wrangler.toml binds the Worker.
    shop: { endpoints: ['binding:SHOP'] },
    app: { endpoints: ['${APP:-https://app.example.com}'] },
  },
  routes: [
    {
      name: 'site',
      rules: [
        { name: 'shop', match: { path: '/shop' }, pool: 'shop' },
        { name: 'app', pool: 'app' },
      ],
    },
  ],
})
