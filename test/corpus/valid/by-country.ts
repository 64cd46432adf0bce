// where people are

import { defineConfig } from 'fourseven'

export default defineConfig({
  listeners: {
    web: {
      kind: 'edge',
    },
  },
  pools: {
    app: {
      endpoints: ['https://app.example.com'],
    },
  },
  routes: [
    {
      name: 'site',
      rules: [
        {
          match: {
            country: ['DE', 'AT', 'CH'],
          },
          pool: 'app',
        },
        {
          match: {
            country: ['GB', 'XK', 'T1'],
          },
          pool: 'app',
          filters: {
            requestHeaders: {
              set: {
                'x-country': '{country}',
              },
            },
          },
        },
        {
          pool: 'app',
        },
      ],
    },
  ],
})
