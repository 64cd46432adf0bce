// the longer hostname wins

import { defineConfig } from 'fourseven'

export default defineConfig({
  listeners: {
    web: {
      kind: 'edge',
      hostnames: ['*.example.com', 'example.com'],
    },
  },
  pools: {
    a: {
      endpoints: ['https://a.example.com', 'https://b.example.com'],
    },
    b: {
      endpoints: ['https://c.example.net'],
    },
  },
  routes: [
    {
      name: 'all',
      hostnames: ['*.example.com', 'example.com'],
      pool: 'a',
    },
    {
      name: 'one',
      hostnames: ['one.example.com'],
      pool: 'b',
    },
    {
      name: 'deep',
      hostnames: ['*.one.example.com'],
      pool: 'b',
    },
  ],
})
