// The API and the app on one host: `/api/` goes to one pool, the rest to another, each in turn over two endpoints.

import { defineConfig } from 'fourseven'

export default defineConfig({
  listeners: { web: { kind: 'edge' } },
  pools: {
    // Round robin is the default: the endpoints of a pool take turns.
    api: { endpoints: ['${API_A:-https://api-a.example.com}', '${API_B:-https://api-b.example.com}'] },
    app: { endpoints: ['${APP_A:-https://app-a.example.com}', '${APP_B:-https://app-b.example.com}'] },
  },
  routes: [
    {
      name: 'site',
      rules: [
        // By whole path elements: `/api`, `/api/` and all below it, never `/apis`. The longer path wins in any order.
        { name: 'api', match: { path: '/api/' }, pool: 'api' },
        { name: 'app', pool: 'app' },
      ],
    },
  ],
})
