// a canary that nobody gets yet

import { defineConfig } from 'fourseven'

export default defineConfig({
  listeners: {
    web: {
      kind: 'edge',
    },
  },
  pools: {
    stable: {
      endpoints: ['https://a.example.com', 'https://b.example.com'],
    },
    canary: {
      endpoints: ['https://c.example.com'],
    },
  },
  routes: [
    {
      name: 'site',
      rules: [
        {
          variants: [
            {
              name: 'stable',
              weight: 100,
              pool: 'stable',
            },
            {
              name: 'canary',
              weight: 0,
              pool: 'canary',
            },
          ],
          split: {
            force: {
              cookie: 'canary',
              to: 'canary',
            },
          },
        },
      ],
    },
  ],
})
