// Copies of real traffic for a release that no client shall meet yet. Their answers are dropped.

import { defineConfig } from 'fourseven'

export default defineConfig({
  listeners: { web: { kind: 'edge' } },
  pools: {
    app: { endpoints: ['${APP:-https://app.example.com}'] },
    next: { endpoints: ['${NEXT:-https://next.example.com}'] },
    audit: { endpoints: ['${AUDIT:-https://audit.example.com}'] },
  },
  routes: [
    {
      name: 'app',
      pool: 'app',
      // Each mirror draws for itself: every request goes to `next` too, and a quarter of them to `audit`.
      mirrors: [{ pool: 'next' }, { pool: 'audit', percent: 25 }],
    },
  ],
})
