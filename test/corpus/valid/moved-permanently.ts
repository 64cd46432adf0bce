// a redirect that keeps the path

import { defineConfig } from 'fourseven'

export default defineConfig({
  listeners: {
    web: {
      kind: 'edge',
    },
  },
  pools: {},
  routes: [
    {
      name: 'www',
      hostnames: ['www.example.com'],
      redirect: {
        host: 'example.com',
        status: 301,
      },
    },
    {
      name: 'apex',
      hostnames: ['example.com'],
      reply: {
        status: 200,
        body: 'here',
      },
    },
  ],
})
