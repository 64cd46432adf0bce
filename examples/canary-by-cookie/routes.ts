// A tenth of all users get the canary and keep it. The cookie `canary` puts anybody in or out by hand.

import { defineConfig } from 'fourseven'

export default defineConfig({
  listeners: { web: { kind: 'edge' } },
  pools: {
    stable: { endpoints: ['${STABLE:-https://stable.shop.example.com}'] },
    canary: { endpoints: ['${CANARY:-https://canary.shop.example.com}'] },
  },
  routes: [
    {
      name: 'shop',
      hostnames: ['shop.example.com'],
      rules: [
        // Paying is not part of the trial: the longer path wins.
        { name: 'checkout', match: { path: '/checkout' }, pool: 'stable' },
        {
          name: 'pages',
          variants: [
            { name: 'stable', weight: 90, pool: 'stable' },
            { name: 'canary', weight: 10, pool: 'canary' },
          ],
          split: { force: { cookie: 'canary', to: 'canary' }, expose: true },
        },
      ],
    },
  ],
})
