// copies to the next version

import { defineConfig } from 'fourseven'

export default defineConfig({
  listeners: {
    web: {
      kind: 'edge',
    },
  },
  pools: {
    app: {
      endpoints: ['https://a.example.com', 'https://b.example.com'],
    },
    next: {
      endpoints: ['https://next.example.com'],
    },
  },
  routes: [
    {
      name: 'site',
      rules: [
        {
          pool: 'app',
          mirrors: [
            {
              pool: 'next',
              percent: 5,
            },
          ],
        },
      ],
    },
  ],
})
