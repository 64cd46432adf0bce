// A canary for 5 % of those who asked for it: the application sets the cookie `beta`, and only who carries it takes part.

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
          // More conditions on the same path win over fewer.
          name: 'beta',
          match: { cookie: { beta: { present: true } } },
          variants: [
            { name: 'stable', weight: 95, pool: 'stable' },
            { name: 'canary', weight: 5, pool: 'canary' },
          ],
          // The user keeps the variant by the cookie `fs_id`. The values `always` and `never` of `beta` decide by hand.
          split: { force: { cookie: 'beta', to: 'canary' }, expose: true },
        },
        { name: 'everybody', pool: 'stable' },
      ],
    },
  ],
  // What is promised; `fourseven check` proves it before each deploy.
  expect: [
    {
      name: 'testers get either, by weight',
      request: { url: 'https://shop.example.com/cart', cookies: { beta: '1' } },
      gets: { rule: 'beta', variant: ['stable', 'canary'] },
    },
    {
      name: 'who asks for the canary gets it',
      request: { url: 'https://shop.example.com/cart', cookies: { beta: 'always' } },
      gets: { pool: 'canary', responseHeaders: { 'x-fourseven-variant': 'canary' } },
    },
    {
      name: 'paying is never part of the trial',
      request: { url: 'https://shop.example.com/checkout/pay', cookies: { beta: 'always' } },
      gets: { rule: 'checkout', pool: 'stable' },
    },
    { request: 'https://shop.example.com/cart', gets: { rule: 'everybody', pool: 'stable' } },
  ],
})
