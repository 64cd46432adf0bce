// An A/B test of three prices: each user keeps the first variant they got, until the test is started anew.

import { defineConfig } from 'fourseven'

export default defineConfig({
  listeners: { web: { kind: 'edge' } },
  pools: {
    shop: { endpoints: ['${SHOP:-https://shop.example.com}'] },
  },
  routes: [
    {
      name: 'prices',
      // One pool for all: the endpoint reads the variant from `x-fourseven-variant` and shows its price.
      variants: [
        { name: 'nine', weight: 1, pool: 'shop' },
        { name: 'ten', weight: 1, pool: 'shop' },
        { name: 'twelve', weight: 1, pool: 'shop' },
      ],
      // `pin: 'first'`: other weights send newcomers elsewhere, and who is in the test stays. A higher `epoch` lets all go.
      split: { pin: 'first', epoch: 0, expose: true },
    },
  ],
})
